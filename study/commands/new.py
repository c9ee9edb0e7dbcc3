"""``modstudy new``: writes a new study file from a built-in study or from images."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import yaml
from rich.console import Console

from study.arguments import local_place
from study.definition.loading import built_in_studies, needs_data, parse_study
from study.definition.validation import error_context
from study.definition.yaml_reader import compose_yaml, read_yaml
from study.definition.yaml_writer import one_line
from study.drafting.drafting import draft_study, look_at, study_name
from study.drafting.image_places import class_folders, class_table, existing_place, source_of
from study.errors import UserError
from study.layout import RUNS
from study.plan.plan import compile_plan
from study.session.target import command_line
from study.terminal.display import open_console, say
from trainables.foundation.objects.address import address_of
from trainables.foundation.registry import nearest
from trainables.sources.registry import detect_source

_UNKNOWN_FINGERPRINT = "0" * 32


def new_study(first: str, second: Path | None, data: Path | None) -> None:
    """Write a study file: ``new BUILT-IN FILE [--data FOLDER]``, or ``new FILE --data FOLDER`` from its images.

    Raises:
        UserError: the built-in study does not exist; the file exists already, or its name is not valid for a study; the
            folder is required but not given, does not exist, is not needed, or no study can be drafted from it.
    """
    console = open_console()
    if second is not None:
        file = second
        _refuse_existing(file)
        text = _from_built_in(first, file, data)
    else:
        file = _named_file(first, data)
        _refuse_existing(file)
        text = _from_images(console, file, data) if data is not None else ""
    parse_study(file, text)
    file.write_text(text, encoding="utf-8")
    say(console, f"{file}: written; docs/study-file.md lists all keys")
    for command in ("data", "plan", "run"):
        say(console, f"  {command_line(command, file, RUNS)}")


def _named_file(name: str, data: Path | None) -> Path:
    """Return the file to write if only one name is given.

    Raises:
        UserError: it is the name of a built-in study, or neither images nor a built-in study are given.
    """
    if name in built_in_studies():
        raise UserError(f"{name}: also name the study file to write, for example: modstudy new {name} my-{name}.yaml")
    if data is None:
        raise UserError(
            f"{name}: say what to write it from: a folder of images (modstudy new {name} --data FOLDER), or a built-in"
            f" study (modstudy new default {name})"
        )
    file = Path(name)
    return file if file.suffix in (".yaml", ".yml") else file.with_name(f"{file.name}.yaml")


def _refuse_existing(file: Path) -> None:
    local_place("FILE", file)
    if file.exists():
        raise UserError(f"{file}: already exists; choose another name, or edit it")


def _from_built_in(template: str, file: Path, data: Path | None) -> str:
    templates = built_in_studies()
    if template not in templates:
        raise UserError(f"{template}: no such built-in study{nearest(template, sorted(templates))}")
    text = templates[template].read_text(encoding="utf-8")
    values = read_yaml(template, text)
    if needs_data(values) and data is None:
        raise UserError(f"{template}: this study needs your own images: --data FOLDER")
    if data is not None:
        if not needs_data(values):
            raise UserError(
                f"{template}: this study generates its images; omit --data. For a study on these images: "
                f"modstudy new {file} --data {data}"
            )
        folder = existing_place(data)
        _refuse_another_kind(template, values["data"]["source"]["kind"], folder, file)
        text = with_data(text, address_of(data) or str(folder))
    return with_name(text, study_name(file))


def _refuse_another_kind(template: str, kind: str, folder: Path, file: Path) -> None:
    """Refuse a folder whose images are of another kind than the study reads; accept a folder not recognized yet.

    Raises:
        UserError: the folder contains images of another kind.
    """
    try:
        found = detect_source(folder).kind
    except (ValueError, NotADirectoryError):
        return
    if found != kind:
        raise UserError(
            f"{template}: reads images of kind {kind}, but {folder} contains images of kind {found}; for these: "
            f"modstudy new {file} --data {folder}"
        )


def _from_images(console: Console, file: Path, data: Path) -> str:
    """Return the text of a study on the images; if folders are the classes, also write their table next to the file."""
    place = existing_place(data)
    folders = None if place.is_file() else class_folders(place)
    table = file.with_name(f"{file.stem}-images.csv")
    if folders is not None:
        _refuse_existing(table)
    written = nullcontext(source_of(data, place)) if folders is None else class_table(table.resolve(), data, folders)
    with written as source:
        draft = look_at(source)
        text = draft_study(study_name(file), draft)
        with error_context(""):
            compile_plan(parse_study(file, text), _UNKNOWN_FINGERPRINT)
    if folders is not None:
        say(console, f"{table}: written; {len(folders.rows):,} images, with folders as classes")
    images = ", ".join(f"{split} {number:,}" for split, number in draft.images.items())
    say(console, f"{source.kind}: {source.place}: {images} images")
    say(console, f"tasks: {', '.join(f'{found.name} ({found.classes} classes)' for found in draft.chosen)}")
    if draft.others:
        say(console, f"left out: {len(draft.others)} others, with reasons in the file")
    return text


def with_data(text: str, place: str) -> str:
    """Return the text of a study with ``path`` appended to its ``data.source``, a mapping in braces."""
    source = _node(text, "data", "source")
    end = source.end_mark.index - 1
    return f"{text[:end]}, path: {json.dumps(place, ensure_ascii=False)}{text[end:]}"


def with_name(text: str, name: str) -> str:
    """Return the text of a study with its name replaced."""
    value = _node(text, "name")
    return text[: value.start_mark.index] + one_line(name) + text[value.end_mark.index :]


def _node(text: str, *keys: str) -> yaml.Node:
    """Return the YAML node under ``keys``, with its position in the text."""
    node = compose_yaml("the study", text)
    for key in keys:
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
        node = next(value for name, value in pairs if name.value == key)
    return node
