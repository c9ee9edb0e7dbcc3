"""The cost of a study in trials, time and disk space, before training."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.plan.plan import StudyPlan

TimeSource = Literal["finished trials", "probe"]


@dataclass(frozen=True)
class StudyCost:
    """The cost of a whole study.

    Attributes:
        trials: of all arms.
        tune_trials: maximum per arm; arms with fewer effective hyperparameters may have fewer. In the mode ``explore``
            of all arms together.
        confirm_trials: of every arm; in the mode ``explore`` of every arm on the front.
        epochs: maximum per arm over all its trials; with halving, the expected number.
        concurrent: concurrent trials on this machine, of the arm with most.
        at_once: concurrent trials of each arm by arm id, as if they were of this arm alone.
        run_bytes: largest size of weights and checkpoints, see ``study.retention.forecast``.
        disk_bytes: those and the decoded images.
        seconds: work of each arm by arm id; None if durations are unknown. In the mode ``explore`` its share if the
            sampler proposes all arms equally often.
        source: source of the seconds.
    """

    trials: int
    tune_trials: int
    confirm_trials: int
    epochs: int
    concurrent: int
    at_once: dict[str, int]
    run_bytes: int
    disk_bytes: int
    seconds: dict[str, float] | None
    source: TimeSource | None

    @property
    def wall_seconds(self) -> float | None:
        """Expected duration of the whole study on this machine."""
        if self.seconds is None:
            return None
        return sum(seconds / self.at_once[arm_id] for arm_id, seconds in self.seconds.items())


def study_cost(
    plan: StudyPlan,
    epoch_seconds: Mapping[str, float] | None,
    source: TimeSource | None,
    at_once: Mapping[str, int],
    run_bytes: int,
) -> StudyCost:
    """Return the cost of the study.

    Args:
        plan: the study.
        epoch_seconds: seconds per epoch of a trial by arm id, if known.
        source: of the seconds.
        at_once: concurrent trials by arm id.
        run_bytes: of weights and checkpoints at most.
    """
    definition = plan.definition
    tune, confirm = {arm.arm.arm_id: plan.tune_trials(arm) for arm in plan.arms}, len(definition.confirm.seeds)
    epochs = {arm_id: expected_epochs(definition, trials) for arm_id, trials in tune.items()}
    explored = None if definition.search.trials is None else definition.search.trials / len(plan.arms)
    work = epochs if explored is None else dict.fromkeys(epochs, explored * definition.optimization.epochs)
    seconds = _seconds(work, epoch_seconds) if epoch_seconds else None
    return StudyCost(
        trials=plan.trials,
        tune_trials=definition.search.trials or max(tune.values()),
        confirm_trials=confirm,
        epochs=max(epochs.values()),
        concurrent=max(at_once.values()),
        at_once=dict(at_once),
        run_bytes=run_bytes,
        disk_bytes=run_bytes + image_bytes(definition),
        seconds=seconds,
        source=source if seconds else None,
    )


def _seconds(epochs: Mapping[str, float], epoch_seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the work of each arm; an arm that a sampler has not proposed yet is taken as the mean of those it has."""
    typical = sum(epoch_seconds.values()) / len(epoch_seconds)
    return {arm_id: count * epoch_seconds.get(arm_id, typical) for arm_id, count in epochs.items()}


def expected_epochs(definition: StudyDefinition, tune_trials: int) -> int:
    """Return the epochs of all trials of an arm; ties at a rung, which keep more trials, are not expected.

    In the mode ``explore`` without confirm trials, since few arms get any.
    """
    epochs, halving = definition.optimization.epochs, definition.search.halving
    rungs = (*halving.rungs, epochs) if halving else (epochs,)

    def round_epochs(trials: int) -> int:
        total = reached = 0
        for rung in rungs:
            total += trials * (rung - reached)
            trials, reached = math.ceil(trials * halving.keep) if halving else trials, rung
        return total

    rounds, rest = divmod(tune_trials, definition.search.round_size)
    tune = rounds * round_epochs(definition.search.round_size) + round_epochs(rest)
    return tune + (len(definition.confirm.seeds) * epochs if definition.search.mode == "design" else 0)


def concurrent_trials(definition: StudyDefinition, limit: int | None = None) -> int:
    """Return the number of concurrent trials on this machine, given its CPUs and a limit.

    Without one, that is ``resources.max_concurrent``.
    """
    resources = definition.resources
    by_cpus = max(1, int(usable_cpus() / resources.cpus))
    return min(by_cpus, limit or resources.max_concurrent or by_cpus)


def usable_cpus() -> int:
    """Return the CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def image_bytes(definition: StudyDefinition) -> int:
    """Return the bytes of the decoded images.

    Raises:
        UserError: the files are missing, or not as the source describes them.
    """
    with error_context("data"):
        images = definition.data.source.at_hand().count_images()
    return images * definition.data.image_size**2 * 3
