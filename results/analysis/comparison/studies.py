"""Several studies beside each other: every arm's accuracy over the tasks that all studies have, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from results.analysis.inference.scores import Scores
from results.analysis.reported import Results
from results.analysis.statistics import Interval, student_mean


@dataclass(frozen=True)
class ComparedStudy:
    """One study and its name in the comparison, which is unique. ``settings``: its definition, by dotted key."""

    name: str
    results: Results
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """An arm in a study: accuracy over the shared tasks, on each of them, and its cost; None if it is unknown."""

    accuracy: Interval
    added_parameters: int | None
    tasks: tuple[Interval, ...]


@dataclass(frozen=True)
class StudiesComparison:
    """Several studies on the tasks they share.

    Attributes:
        studies: Names, in the order given.
        tasks: Tasks of all studies.
        left_out: The other tasks of each study.
        arms: Names of the arms with results in any study.
        cells: By arm and study.
        seeds: Train seeds of each study.
        rules: The statement of each study's selection rule.
        chance: Mean chance level over the shared tasks, by study; None if unknown.
        same_data: Whether all trials used the same images and labels.
        differences: Settings that differ: key and one value per study; None where a study lacks it.
    """

    studies: tuple[str, ...]
    tasks: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]
    arms: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    seeds: dict[str, tuple[int, ...]]
    rules: dict[str, str]
    chance: dict[str, float | None]
    same_data: bool
    differences: tuple[tuple[str, tuple[Any, ...]], ...]


def compare_studies(studies: Sequence[ComparedStudy]) -> StudiesComparison:
    """Compare studies on test images over the tasks that all of them have.

    Differences between studies get no interval: their seeds pair nothing, and other settings differ too.

    Raises:
        ValueError: A study has no confirm results, or there is no common task.
    """
    for study in studies:
        if not study.results.scores.arms:
            raise ValueError(f"study {study.name} has no confirm results yet")
    of_each = [study.results.scores.tasks for study in studies]
    tasks = tuple(task for task in of_each[0] if all(task in own for own in of_each))
    if not tasks:
        listed = "; ".join(f"{study.name}: {', '.join(own)}" for study, own in zip(studies, of_each, strict=True))
        raise ValueError(f"the studies have no task in common ({listed})")
    cells = {(arm, study.name): cell for study in studies for arm, cell in _cells(study, tasks).items()}
    fingerprints = {print_ for study in studies for print_ in study.results.trials["data_fingerprint"]}
    return StudiesComparison(
        tuple(study.name for study in studies),
        tasks,
        {s.name: tuple(task for task in own if task not in tasks) for s, own in zip(studies, of_each, strict=True)},
        tuple(dict.fromkeys(arm for arm, _ in cells)),
        cells,
        {study.name: study.results.scores.seeds for study in studies},
        {study.name: study.results.confirmed.rule.statement for study in studies},
        {study.name: _chance(study.results.scores, tasks) for study in studies},
        len(fingerprints) == 1,
        _differences([study.settings for study in studies]),
    )


def _places(scores: Scores, tasks: Sequence[str]) -> list[int]:
    return [scores.tasks.index(task) for task in tasks]


def _cells(study: ComparedStudy, tasks: Sequence[str]) -> dict[str, Cell]:
    scores, summary = study.results.scores, study.results.summary
    added = summary.dropna(subset="added_parameters").set_index("arm_id")["added_parameters"].to_dict()
    shared = scores.array[:, :, _places(scores, tasks)]
    cells = {}
    for arm_id, arm, values in zip(scores.arm_ids, scores.arms, shared, strict=True):
        complete = values[np.isfinite(values).all(axis=1)]
        if len(complete):
            by_task = tuple(student_mean(own) for own in complete.T)
            cost = int(added[arm_id]) if arm_id in added else None
            cells[arm] = Cell(student_mean(complete.mean(axis=1)), cost, by_task)
    return cells


def _chance(scores: Scores, tasks: Sequence[str]) -> float | None:
    mean = float(scores.chance[_places(scores, tasks)].mean())
    return None if np.isnan(mean) else mean


def _differences(settings: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    keys = dict.fromkeys(key for own in settings for key in own)
    rows = ((key, tuple(own.get(key) for own in settings)) for key in keys)
    return tuple((key, values) for key, values in rows if any(value != values[0] for value in values[1:]))
