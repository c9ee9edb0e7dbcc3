"""``modstudy new``: a study file of one's own from a built-in study, comments and all."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from study.commands.target import command_line
from study.display import open_console, say
from study.errors import UserError, nearest
from study.layout import RUNS
from study.loading import built_in_studies, needs_data, parse_study
from study.yaml_reader import compose_yaml, read_yaml


def new_study(template: str, file: Path, data: Path | None) -> None:
    """Write ``file``: the built-in study under the file's name, with the folder of the images filled in.

    Raises:
        UserError: no such study, a file that is there already or whose name is none for a study, a folder that is
            missing, not there or not needed.
    """
    templates = built_in_studies()
    if template not in templates:
        raise UserError(f"{template}: no such built-in study{nearest(template, templates)}")
    if file.exists():
        raise UserError(f"{file}: is there already; give another name, or edit it")
    text = templates[template].read_text(encoding="utf-8")
    wants_data = needs_data(read_yaml(template, text))
    if wants_data and data is None:
        raise UserError(f"{template}: this study needs images of yours: --data FOLDER")
    if data is not None:
        if not wants_data:
            raise UserError(f"{template}: this study draws its images itself; leave out --data")
        folder = data.expanduser().resolve()
        if not folder.exists():
            raise UserError(f"{data}: no such folder")
        text = with_data(text, folder)
    text = with_name(text, file.stem)
    parse_study(file, text)
    file.write_text(text, encoding="utf-8")
    console = open_console()
    say(console, f"{file}: written; every key is in docs/study-file.md")
    for command in ("data", "plan", "run"):
        say(console, f"  {command_line(command, file, RUNS)}")


def with_data(text: str, folder: Path) -> str:
    """Return the text of a study with ``path`` at the end of its ``data.source``, which is written in braces."""
    source = _node(text, "data", "source")
    end = source.end_mark.index - 1
    return f"{text[:end]}, path: {json.dumps(str(folder), ensure_ascii=False)}{text[end:]}"


def with_name(text: str, name: str) -> str:
    """Return the text of a study under another name."""
    value = _node(text, "name")
    return text[: value.start_mark.index] + name + text[value.end_mark.index :]


def _node(text: str, *keys: str) -> yaml.Node:
    """Return what stands under ``keys``, with its place in the text."""
    node = compose_yaml("the study", text)
    for key in keys:
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        node = next(value for name, value in pairs if name.value == key)
    return node
