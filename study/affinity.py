"""Affinity of a study's tasks: the shared pilot, the groupings selected from it, and the file that stores both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.affinity_groups import choose_groups, grouping_score
from search_spaces.block import Block
from search_spaces.factors.placement import Placement
from search_spaces.space import SearchSpace
from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.definition.yaml_writer import write_yaml
from study.errors import UserError
from study.layout import dataset_cache
from study.plan.device import PlannedDevice, chosen_device, gpus_of_this_machine
from study.plan.plan import StudyPlan, compile_plan
from trainables.failures import DivergedError
from trainables.foundation.files import write_text_atomically

if TYPE_CHECKING:
    from trainables.diagnostics.affinity_pilot import PilotAffinity

Floats = NDArray[np.float64]

_DIGITS = 6
"""Significant digits of numbers in the file; groups are selected from the unrounded numbers."""


@dataclass(frozen=True)
class Chosen:
    """A grouping selected from a matrix, with the mean affinity (or cosine) of tasks that share a group, else NaN."""

    groups: tuple[tuple[str, ...], ...]
    score: float


@dataclass(frozen=True)
class StudyAffinity:
    """The result of a pilot.

    Attributes:
        plan: Plan of the pilot: the study with the fully shared network as its only arm.
        every_steps: Distance between measured steps.
        measured: Means over the measured steps.
        groupings: By name: ``tag-2``, ``tag-3``, ... from the affinities, ``cosine-2``, ... from the gradient cosines.
    """

    plan: StudyPlan
    every_steps: int
    measured: PilotAffinity
    groupings: dict[str, Chosen]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in the order of rows and columns."""
        return self.plan.definition.data.tasks


def measure_affinity(
    definition: StudyDefinition, every_steps: int, progress: Callable[[int, int], None]
) -> StudyAffinity:
    """Train the study's network fully shared, with its own settings and ``space.fixed``, and measure meanwhile.

    The train seed is ``seeds.tune_seed``. The model is discarded.

    Raises:
        UserError: the data cannot be prepared or does not fit the study, or nothing could be measured.
    """
    from trainables.data import prepare_dataset
    from trainables.diagnostics.affinity_pilot import run_affinity_pilot

    space = SearchSpace(blocks=(Block(placement=(Placement("none"),)),), fixed=definition.space.fixed)
    device = PlannedDevice(chosen_device(definition, gpus_of_this_machine))
    plan = compile_plan(definition.model_copy(update={"space": space}), device=device)
    config, cache = plan.arms[0].config, dataset_cache()
    with error_context("data"):
        prepare_dataset(config.data, config.data_seed, cache)
    with error_context(""):
        try:
            measured = run_affinity_pilot(config, cache=cache, every_steps=every_steps, progress=progress)
        except DivergedError as error:
            raise UserError(f"optimization: the pilot broke off: {error}") from error
    tasks = config.data.tasks
    groupings = {**_named("tag", measured.affinity, tasks), **_named("cosine", measured.cosine, tasks)}
    return StudyAffinity(plan, every_steps, measured, groupings)


def _named(name: str, matrix: Floats, tasks: tuple[str, ...]) -> dict[str, Chosen]:
    return {
        f"{name}-{count}": Chosen(
            tuple(tuple(tasks[index] for index in group) for group in groups), grouping_score(matrix, groups)
        )
        for count, groups in choose_groups(matrix).items()
    }


def affinity_document(affinity: StudyAffinity) -> dict[str, Any]:
    """Return the content of the file as plain values."""
    measured, config = affinity.measured, affinity.plan.arms[0].config
    return {
        "study": affinity.plan.definition.name,
        "data_fingerprint": affinity.plan.data_fingerprint,
        "tasks": list(affinity.tasks),
        "every_steps": affinity.every_steps,
        "steps": measured.steps,
        "measured_steps": measured.measured,
        "groupings": {name: [list(group) for group in chosen.groups] for name, chosen in affinity.groupings.items()},
        "scores": {name: _rounded(chosen.score) for name, chosen in affinity.groupings.items()},
        "affinity": _rows(measured.affinity),
        "cosine": _rows(measured.cosine),
        "stage_cosine": {stage: _rows(matrix) for stage, matrix in measured.stage_cosine.items()},
        # without the path of the images, which the fingerprint replaces: the file is passed on
        "pilot": config.model_dump(mode="json", exclude={"data": {"source"}}),
    }


def write_affinity(affinity: StudyAffinity, path: Path) -> None:
    """Write the file; a grouping level takes its groups from ``groupings``."""
    text = write_yaml(affinity_document(affinity), default_flow_style=None, width=120)
    write_text_atomically(path, _HEAD + text)


_HEAD = """\
# Task affinity, measured during one fully shared training. To use a grouping as a level of a study:
#   grouping: [{groups: {file: <this file>, name: tag-3}}]
# affinity: row i, column j: Z of i onto j, the share by which a step on task i alone would lower the loss of
# task j, divided by the learning rate.
# cosine: between the gradients of two tasks for the shared weights; stage_cosine: for those of a stage.
"""


def _rows(matrix: Floats) -> list[list[float | None]]:
    return [[_rounded(value) for value in row] for row in matrix.tolist()]


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.{_DIGITS}g}")
