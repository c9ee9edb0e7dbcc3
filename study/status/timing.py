"""How long an epoch takes, from trials that have finished or from a short timed probe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean, mean, median, quantiles

from study.definition.validation import error_context
from study.layout import dataset_cache
from study.plan.checks import refuse_missing_device, refuse_untrainable_labels
from study.plan.plan import PlannedArm, StudyPlan
from study.schedule.progress import ArmState, RunProgress
from study.status.sums import kept

_ENDED = ("completed", "pruned", "paused")
"""States of trials that were started, trained and evaluated, if only as far as a rung."""

_ENOUGH_EPOCHS = 2
"""Epochs of an arm from which one can tell what they take; the first of a worker takes longer."""

PROBED_OF_EXPLORED = 8
"""Arms of an exploration that a probe times at most; each takes seconds, and there may be thousands."""


@dataclass(frozen=True)
class Speeds:
    """How long things take.

    Attributes:
        epoch: seconds of an epoch by arm id; guessed by multiply-adds for arms of which too few were seen.
        beside: seconds a trial takes beside its epochs, by arm id: its start, its evaluation.
        spread: by which factor the epochs of an arm differ, those that stand out left out; only of arms that were seen.
        ended: how many trials have ended, or have reached a rung of halving, without ever failing.
    """

    epoch: dict[str, float]
    beside: dict[str, float]
    spread: dict[str, float]
    ended: int


def speeds_of(progress: RunProgress) -> Speeds | None:
    """Return how long things take by the journals; None before an epoch and a trial have ended."""
    times = {state.arm.arm.arm_id: _times(state) for state in progress.states}
    seen = {arm_id: arm for arm_id, arm in times.items() if arm.epoch is not None}
    beside = {arm_id: arm.beside for arm_id, arm in times.items() if arm.beside}
    if not (seen and beside):
        return None
    least = min(map(min, beside.values()))  # the first trial of a worker takes longer: it loads libraries
    epochs = {arm_id: arm.epoch for arm_id, arm in seen.items() if arm.epoch is not None}
    return Speeds(
        epoch=_of_all_arms(progress.plan.arms, epochs),
        beside={arm_id: min(arm.beside) if len(arm.beside) > 1 else least for arm_id, arm in times.items()},
        spread={arm_id: arm.spread for arm_id, arm in seen.items()},
        ended=sum(map(len, beside.values())),
    )


@dataclass(frozen=True)
class _Times:
    """Mean seconds and spread of an arm's epochs, None and 0 where too few were seen; what ended trials take beside."""

    epoch: float | None
    spread: float
    beside: tuple[float, ...]


@kept
def _times(state: ArmState) -> _Times:
    epochs, beside = list[float](), list[float]()
    for trial in state.trials:
        history = trial.history
        if history is None or history.failures:
            continue
        epochs += history.epochs.values()
        if trial.state in _ENDED and history.attempts:
            beside.append(max(0.0, history.busy_seconds - history.seconds) / history.attempts)
    if len(epochs) < _ENOUGH_EPOCHS:
        return _Times(None, 0.0, tuple(beside))
    return _Times(fmean(epochs), _spread(epochs), tuple(beside))


def _spread(seconds: Sequence[float]) -> float:
    low, _, high = quantiles(seconds, n=4, method="inclusive")
    return high / low if low > 0 else inf


def measured_epoch_seconds(progress: RunProgress) -> dict[str, float] | None:
    """Return the seconds of an epoch by arm id from trials that have ended, with start and evaluation spread over them.

    An arm without such a trial is estimated from the others by its multiply-adds. None without any.
    """
    samples = defaultdict[str, list[float]](list)
    for trial in progress.trials:
        history = trial.history
        if trial.state in _ENDED and history is not None and history.epoch and not history.failures:
            samples[trial.arm.arm.arm_id].append(history.busy_seconds / history.epoch)
    known = {arm_id: median(values) for arm_id, values in samples.items()}
    return _of_all_arms(progress.plan.arms, known) if known else None


def _of_all_arms(arms: Iterable[PlannedArm], known: Mapping[str, float]) -> dict[str, float]:
    work = {arm.arm.arm_id: arm.storage.multiply_adds_per_image for arm in arms}
    rate = mean(seconds / work[arm_id] for arm_id, seconds in known.items())
    return {arm_id: known.get(arm_id, rate * multiply_adds) for arm_id, multiply_adds in work.items()}


def probed_epoch_seconds(plan: StudyPlan, steps: int = 3) -> dict[str, float]:
    """Return the seconds of an epoch by arm id from a few timed steps of every arm; trains nothing that is kept.

    Of the arms that an exploration may propose, a few are timed, from the least to the most multiply-adds; the others
    are estimated from them. Of trials that train as one model, these are a trial's share of the unit's, as in journals.

    Raises:
        UserError: the data cannot be prepared, this machine lacks the device, or the network cannot take a step.
    """
    from trainables.data import prepare_dataset
    from trainables.fused.timing import seconds_per_epoch_of_member
    from trainables.training.timing import seconds_per_epoch

    refuse_missing_device(plan)
    with error_context("data"):
        dataset = prepare_dataset(plan.definition.data, plan.definition.seeds.data_seed, dataset_cache())
    refuse_untrainable_labels(plan, dataset.splits)
    with error_context("network"):  # the rest is what the network does with images that are fit
        timed = {
            arm.arm.arm_id: (seconds_per_epoch_of_member if arm.config.compute.fused > 1 else seconds_per_epoch)(
                arm.config, dataset_cache(), steps
            )
            for arm in _to_probe(plan)
        }
    return _of_all_arms(plan.arms, timed)


def _to_probe(plan: StudyPlan) -> tuple[PlannedArm, ...]:
    """Return the arms to time: all, since all are trained; in the mode ``explore`` a few, since few of many are."""
    if plan.definition.search.mode == "design" or len(plan.arms) <= PROBED_OF_EXPLORED:
        return plan.arms
    ordered = sorted(plan.arms, key=lambda arm: arm.storage.multiply_adds_per_image)
    last = len(ordered) - 1
    return tuple(ordered[place * last // (PROBED_OF_EXPLORED - 1)] for place in range(PROBED_OF_EXPLORED))
