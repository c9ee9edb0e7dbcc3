"""Groupings that a study file takes from another file, inserted as groups when the study is loaded.

From then on the study contains the groups themselves, so its trials do not depend on the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study.definition.yaml_reader import read_text_file, read_yaml
from study.errors import UserError
from trainables.foundation.registry import nearest

_KEYS = ("file", "name")


def insert_groupings(study: str, values: dict[str, Any], base: Path) -> None:
    """Replace every ``groups: {file: PATH, name: NAME}`` of the space by the groups with that name in that file.

    The level is called ``NAME`` unless it has a name of its own; one that is ``shuffled``, ``NAME-shuffled-SEED``.
    Values of another shape are left to validation.

    Args:
        study: name of the study file, for messages.
        values: of the study file; changed in place.
        base: the folder a relative path starts from.

    Raises:
        UserError: no such file, no mapping ``groupings`` in it, no such name, or an unexpected key.
    """
    for key, level in _grouping_levels(values):
        groups = level["groups"]
        if "file" in groups:
            level["groups"], label = _groups_in_file(f"{study}: {key}.groups", groups, base)
        elif isinstance(groups.get("shuffled"), dict):
            inner, label = _groups_in_file(f"{study}: {key}.groups.shuffled", groups["shuffled"], base)
            level["groups"] = {**groups, "shuffled": inner}
            label = f"{label}-shuffled-{groups.get('seed', 0)}"
        else:
            continue
        level.setdefault("name", label)


def _grouping_levels(values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the levels of grouping whose groups are a mapping, with their keys."""
    space = values.get("space")
    blocks = space.get("blocks") if isinstance(space, dict) else None
    for number, block in enumerate(blocks if isinstance(blocks, list) else ()):
        levels = block.get("grouping") if isinstance(block, dict) else None
        key = f"space.blocks[{number}].grouping"
        named = [(key, levels)]
        if isinstance(levels, list):
            named = [(f"{key}[{index}]", level) for index, level in enumerate(levels)]
        for place, level in named:
            if isinstance(level, dict) and isinstance(level.get("groups"), dict):
                yield place, level


def _groups_in_file(key: str, reference: dict[str, Any], base: Path) -> tuple[Any, str]:
    """Return the groups and their name; the groups themselves are validated when they are read."""
    for part in reference:
        if part not in _KEYS:
            raise UserError(f"{key}.{part}: unknown key{nearest(str(part), _KEYS)}")
    for part in _KEYS:
        if not isinstance(reference.get(part), str):
            raise UserError(f"{key}.{part}: expected text, got {reference.get(part)!r}")
    name = reference["name"]
    try:
        path = (base / Path(reference["file"]).expanduser()).resolve()
        content = read_yaml(str(path), read_text_file(str(path), path))
    except OSError as error:
        raise UserError(f"{key}.file: {reference['file']}: cannot be read: {error.strerror}") from None
    except (ValueError, RuntimeError) as error:  # no text, a NUL in the path, or the home of a user that is not there
        raise UserError(f"{key}.file: {reference['file']!r}: {error}") from None
    found = content.get("groupings") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{key}.file: {path}: has no mapping 'groupings' from names to lists of groups")
    if name not in found:
        raise UserError(f"{key}.name: {path} has no grouping {name!r}{nearest(name, sorted(map(str, found)))}")
    return found[name], name
