"""How long an epoch takes, from trials that have finished or from a short timed probe."""

from __future__ import annotations

from statistics import mean, median

from study.layout import dataset_cache
from study.plan import StudyPlan, blaming
from study.progress import RunProgress


def measured_epoch_seconds(progress: RunProgress) -> dict[str, float] | None:
    """Return the seconds of an epoch by arm id from finished trials, with start and evaluation spread over the epochs.

    An arm without a finished trial is estimated from the others by its multiply-adds. None without any.
    """
    samples: dict[str, list[float]] = {}
    for trial in progress.trials:
        if trial.state == "completed" and trial.history is not None and trial.history.attempts == 1:
            samples.setdefault(trial.arm.arm.arm_id, []).append(trial.history.busy_seconds / trial.history.epoch)
    if not samples:
        return None
    work = {arm.arm.arm_id: arm.storage.multiply_adds_per_image for arm in progress.plan.arms}
    known = {arm_id: median(values) for arm_id, values in samples.items()}
    rate = mean(seconds / work[arm_id] for arm_id, seconds in known.items())
    return {arm_id: known.get(arm_id, rate * multiply_adds) for arm_id, multiply_adds in work.items()}


def probed_epoch_seconds(plan: StudyPlan, steps: int = 3) -> dict[str, float]:
    """Return the seconds of an epoch by arm id from a few timed steps of every arm; trains nothing that is kept.

    Raises:
        UserError: the data cannot be prepared.
    """
    from trainables.probe import seconds_per_epoch

    with blaming("data"):
        return {arm.arm.arm_id: seconds_per_epoch(arm.config, dataset_cache(), steps) for arm in plan.arms}
