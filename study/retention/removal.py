"""Removes what the study file does not ask to keep: checkpoints of pruned trials, and weights by ``retention``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from study.layout import RunFolder, TrialFolder
from study.plan.plan import PlannedTrial, StudyPlan
from study.store.working_copy import copy_of
from trainables.foundation.files import temporary_path

if TYPE_CHECKING:
    import pandas as pd


def remove_checkpoints(trial: TrialFolder) -> None:
    """Remove the checkpoints of a trial that will not go on."""
    for path in (trial.checkpoint, trial.pending_checkpoint, temporary_path(trial.checkpoint)):
        _remove(path)


def remove_weights(trial: TrialFolder) -> None:
    """Remove the weights of a finished trial."""
    _remove(trial.weights)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    if copy := copy_of(path):
        copy.delete(path)


def arms_to_keep(plan: StudyPlan, summary: pd.DataFrame) -> frozenset[str]:
    """Return the ids of the arms whose confirm trials keep their weights, given the summary table."""
    from results.analysis.tradeoff import tradeoff_points

    retention = plan.definition.retention
    names = {planned.arm.name: planned.arm.arm_id for planned in plan.arms}
    if retention.weights == "none":
        return frozenset()
    if retention.weights == "all":
        return frozenset(names.values())
    if retention.weights == "front":
        points = tradeoff_points(summary, plan.definition.selection.metric)
        kept = points.loc[points["on_front"], "arm"]
    else:
        ranked = summary.dropna(subset="validation_objective")
        ranked = ranked.sort_values("validation_objective", ascending=False, kind="stable")
        kept = ranked["arm"].head(retention.best_arms)
    return frozenset(names[str(name)] for name in kept)


def apply_retention(folder: RunFolder, plan: StudyPlan, trials: Iterable[PlannedTrial], summary: pd.DataFrame) -> int:
    """Remove the weights that ``retention`` does not keep once a study is complete; return how many there were.

    Args:
        folder: of the run.
        plan: the study.
        trials: all of its trials that have finished.
        summary: the table of the complete study.
    """
    retention, removed = plan.definition.retention, 0
    if retention.weights == "all":
        return removed
    arms = arms_to_keep(plan, summary)
    copy = copy_of(folder.path)
    stored = copy.files(folder.trials) if copy else frozenset()
    for trial in trials:
        if retention.keeps_weights_of(trial.stage) and trial.arm.arm_id in arms:
            continue
        own = folder.trial(trial.trial_id)
        if own.weights.is_file() or own.weights in stored:
            remove_weights(own)
            removed += 1
    return removed
