"""The images of a study: drafts a study from them, and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.definition.yaml_reader import read_yaml
from study.drafting.drafting import Draft, draft_study, look_at, study_name
from study.drafting.image_places import class_folders, class_table, existing_place, source_of
from study.layout import RUNS, dataset_cache
from study.session.defining import defined
from study.session.target import Target

if TYPE_CHECKING:
    from trainables.sampling.checks import DatasetCheck


def drafted(
    images: Path, name: str | None, folder: Path | None, changes: Mapping[str, Any]
) -> tuple[StudyDefinition, Path]:
    """Return the definition of a study on the given images, and its run folder.

    If folders are the classes, the table of images and classes is written to the run folder.

    Args:
        images: a folder of images, or a CSV file that names image files.
        name: name of the study; None uses the name of the folder or file.
        folder: run folder; None uses ``runs/NAME``.
        changes: sections whose keys override those of the draft.

    Raises:
        UserError: the images do not exist, or no study can be drafted from them.
    """
    place = existing_place(images)
    name = name or study_name(place if place.is_file() else Path(f"{place.name}.yaml"))
    home = folder or RUNS / name
    classes = None if place.is_file() else class_folders(place)
    if classes is None:
        return _changed(name, look_at(source_of(images, place)), changes), home
    with class_table(home.expanduser().resolve() / "images.csv", images, classes) as source:
        return _changed(name, look_at(source), changes), home


def _changed(name: str, draft: Draft, changes: Mapping[str, Any]) -> StudyDefinition:
    """Return the definition of a draft whose sections are changed."""
    values: dict[str, Any] = read_yaml(name, draft_study(name, draft))
    for section, change in changes.items():
        known = values.get(section)
        if not (isinstance(known, dict) and isinstance(change, Mapping)):
            values[section] = change
        else:
            values[section] = (_changed_space if section == "space" else _merged)(known, change)
    return defined(values)


def _merged(known: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    return {**known, **change}


def _changed_space(known: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the drafted space with other arms, and with the ranges and fixed values of single hyperparameters.

    Blocks replace the drafted arms, a range or a fixed value replaces the drafted range of its hyperparameter.
    """
    space, ranges, fixed = _merged(known, change), change.get("nuisance", {}), change.get("fixed", {})
    if "blocks" in change and "catalog" not in change:
        del space["catalog"]
    if isinstance(ranges, Mapping) and isinstance(fixed, Mapping):  # validation reports anything else
        drafted = {key: value for key, value in known["nuisance"].items() if key not in fixed}
        space["nuisance"] = _merged(drafted, ranges)
    return space


def check_images(target: Target) -> DatasetCheck:
    """Decode the images of a study if necessary, and check them as its run would.

    Raises:
        UserError: files, columns or tasks are inconsistent.
    """
    from trainables.sampling.checks import check_dataset

    definition = target.definition
    with target.named(), error_context("data"):
        return check_dataset(definition.data, definition.seeds.data_seed, dataset_cache())
