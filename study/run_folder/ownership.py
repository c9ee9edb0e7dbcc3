"""Ownership of a run folder: a name denotes one study, so another study under that name is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from study.definition.halving import HalvingSection
from study.definition.model import SelectionSection, StudyDefinition
from study.errors import UserError
from study.layout import RunFolder
from study.run_folder.plan_file import DamagedPlanError, read_document
from trainables.config.identity import RESULTS_VERSION
from trainables.foundation.section import Section

WAYS_OUT = "give this study another name, or another folder for its runs (--runs-dir, in Python folder=)"

_NO_PART_OF_THE_DATA = re.compile("preprocessing|max_.*")
"""Keys of ``data`` that change neither pixels nor labels."""


def refuse_another_study(definition: StudyDefinition, fingerprint: str | None, folder: RunFolder) -> None:
    """Refuse a folder whose trials belong to a study of other tasks or other data, or were decided by another rule.

    More arms, seeds, trials and epochs, and other training settings, are the same study; so is moved data.

    Args:
        definition: of the study that wants the folder.
        fingerprint: of its data; None if unavailable, in which case other paths count as moved data.
        folder: which may hold anything or nothing.

    Raises:
        UserError: it belongs to another study; names the differences and the ways out.
    """
    before = trained_plan(folder)
    if before is None:
        return
    changes = list(_changes_of_data(before, definition))
    if before["data_fingerprint"] == fingerprint:
        changes = []  # other keys, the same pixels and labels: the same data in another place
    elif fingerprint is not None and not changes and before.get("results_version") == RESULTS_VERSION:
        # Older code may have read the same images otherwise; ``study.status.earlier`` asks then.
        changes = list(_changes_of_place(before, definition))
    if changes:
        raise UserError(
            f"{folder.shown}: its trials belong to another study named {definition.name!r}: {'; '.join(changes)};"
            f" {WAYS_OUT}"
        )


def other_images(fingerprint: str, folder: RunFolder) -> bool:
    """Return whether the folder's trials were trained on data with another fingerprint."""
    before = trained_plan(folder)
    return before is not None and before["data_fingerprint"] != fingerprint


def refuse_another_rule(definition: StudyDefinition, folder: RunFolder) -> None:
    """Refuse a folder whose trials would be compared by numbers, or be over for reasons, that the new rule lacks.

    Raises:
        UserError: names the rules.
    """
    document = trained_plan(folder)
    if document is None:
        return
    before, now = document["definition"], definition.model_dump(mode="json")
    if before["search"].get("mode", "design") != definition.search.mode:
        raise UserError(
            f"search.mode: {folder.shown} contains trials of the mode {before['search']['mode']}; give the changed"
            " study another name"
        )
    told = [tuple(Path(run).name for run in each["search"].get("warm_start", ())) for each in (before, now)]
    if told[0] != told[1]:
        raise UserError(
            f"search.warm_start: {folder.shown} was begun with {list(told[0])}, and the study file now names"
            f" {list(told[1])}; give the changed study another name"
        )
    for key, section, old, new in (
        ("selection", SelectionSection, before["selection"], now["selection"]),
        ("search.halving", HalvingSection, before["search"]["halving"], now["search"]["halving"]),
    ):
        old = _with_defaults(section, old)  # noqa: PLW2901 - as the code of now would have written it
        if old != new:
            raise UserError(
                f"{key}: {folder.shown} contains trials that were decided by {old}, and the study file now has {new};"
                " give the changed study another name"
            )


def _with_defaults(section: type[Section], values: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a section with the keys that the code of then did not know; one that is refused now is left as it is."""
    try:
        return None if values is None else section.model_validate(values).model_dump(mode="json")
    except ValidationError:
        return values


def trained_plan(folder: RunFolder) -> dict[str, Any] | None:
    """Return what ``plan.json`` holds, where there are trials that were begun on it; None for a damaged one.

    Without a readable plan the folder has no owner: the next run writes its own plan and finds trials by their ids.
    """
    if not folder.plan.is_file() or not any(folder.trials.glob("*/journal.jsonl")):
        return None
    try:
        return read_document(folder)
    except DamagedPlanError:
        return None


def _changes_of_data(before: Mapping[str, Any], definition: StudyDefinition) -> Iterator[str]:
    """Yield the keys beside paths that make other data, each with its old and its new value."""
    then, now = before["definition"]["data"], definition.to_dict()["data"]
    for key, was, is_ in _compared(then, now, type(definition.data)):
        if key != "source" and not _NO_PART_OF_THE_DATA.fullmatch(key):
            yield change_of(f"data.{key}", was, is_)
    old, new, source = then["source"], now["source"], definition.data.source
    if old["kind"] != new["kind"]:
        yield change_of("data.source.kind", old["kind"], new["kind"])
    else:
        for key, was, is_ in _compared(old, new, type(source)):
            if key not in source.path_keys():
                yield change_of(f"data.source.{key}", was, is_)
    seeds = before["definition"]["seeds"]["data_seed"], definition.seeds.data_seed
    if seeds[0] != seeds[1]:
        yield change_of("seeds.data_seed", *seeds)


def _compared(
    then: Mapping[str, Any], now: Mapping[str, Any], section: type[BaseModel]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys that differ, with both values; what the code of then did not know was at its default."""
    for key in dict.fromkeys((*then, *now)):
        field = section.model_fields.get(key)
        default = None if field is None or field.is_required() else field.get_default(call_default_factory=True)
        was, is_ = then.get(key, default), now.get(key, default)
        if was != is_:
            yield key, was, is_


def _changes_of_place(before: Mapping[str, Any], definition: StudyDefinition) -> Iterator[str]:
    then, now = before["definition"]["data"]["source"], definition.to_dict()["data"]["source"]
    for key in definition.data.source.path_keys():
        if then.get(key) != now.get(key):
            change = change_of(f"data.source.{key}", then.get(key), now.get(key))
            yield f"{change}, which contains other images or labels"


def change_of(key: str, old: Any, new: Any) -> str:
    """Return the words for a key whose value has changed."""
    return f"{key} was {json.dumps(old, ensure_ascii=False)} and is now {json.dumps(new, ensure_ascii=False)}"
