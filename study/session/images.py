"""A study drafted from a look at images, without a study file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.definition.model import StudyDefinition
from study.definition.yaml_reader import read_yaml
from study.drafting.drafting import draft_study, look_at, study_name
from study.drafting.image_places import (
    class_folders,
    class_table_source,
    existing_place,
    source_of,
    write_class_table,
)
from study.layout import RUNS
from study.session.defining import defined


def drafted(
    images: Path, name: str | None, folder: Path | None, changes: Mapping[str, Any]
) -> tuple[StudyDefinition, Path]:
    """Return the definition of a study of images, and the folder of its run.

    Where folders are the classes, the table that says so is written into the folder of the run.

    Args:
        images: a folder, or a CSV file that names them.
        name: of the study; None takes that of the folder or file.
        folder: of the run; None takes ``runs/NAME``.
        changes: sections whose keys replace those of the draft.

    Raises:
        UserError: the images are not there, or no study can be made of them.
    """
    place = existing_place(images)
    name = name or study_name(place if place.is_file() else Path(f"{place.name}.yaml"))
    home = folder or RUNS / name
    classes = None if place.is_file() else class_folders(place)
    if classes is None:
        draft = look_at(source_of(images, place))
    else:
        table = home.expanduser().resolve() / "images.csv"
        before = table.read_bytes() if table.is_file() else None
        write_class_table(table, classes)
        try:
            draft = look_at(class_table_source(table, classes))
        except BaseException:
            if before is None:
                table.unlink()
            raise
    values: dict[str, Any] = read_yaml(name, draft_study(name, draft))
    for section, change in changes.items():
        known = values.get(section)
        merged = isinstance(known, dict) and isinstance(change, Mapping)
        values[section] = {**(known or {}), **change} if merged else change
    return defined(values), home
