"""Monitoring enabled after a trial was trained: its result is valid, but its curves lack the monitoring.

Monitoring is not part of a trial's id, so enabling it retrains nothing. What it would have recorded is then missing,
and every place that would show it reports this.
"""

from __future__ import annotations

from study.definition.model import StudyDefinition
from study.journal.history import MONITORING, TrialHistory
from study.layout import RunFolder
from study.plan.plan import StudyPlan, compile_plan
from study.schedule.progress import RunProgress, TrialProgress
from trainables.config.evaluation import AgreementConfig, EvaluationConfig
from trainables.config.trial import TrialConfig

_AGREEMENT, _VALIDATION = MONITORING


def unmonitored(progress: RunProgress) -> tuple[TrialProgress, ...]:
    """Return the completed trials whose curves lack what ``agreement`` or ``evaluation.validate_every`` ask for now."""
    return tuple(
        trial
        for trial in progress.trials
        if trial.state == "completed" and trial.history is not None and _lacks(trial.history, trial.trial.config)
    )


def monitoring_note(trials: tuple[TrialProgress, ...]) -> str:
    """Return the message that these trials lack monitoring, with the reason."""
    keys = sorted({key for trial in trials if trial.history for key in _lacks(trial.history, trial.trial.config)})
    return (
        f"{len(trials)} finished trials were trained before {' and '.join(keys)} asked for what they ask for now:"
        " their results stand, and their curves lack it"
    )


def as_monitored_by(definition: StudyDefinition, plan: StudyPlan) -> StudyPlan:
    """Return the plan with the monitoring of another edition of its study; the very same one where that is equal."""
    every = {"validate_every": definition.evaluation.validate_every}
    changes = {"agreement": definition.agreement, "evaluation": plan.definition.evaluation.model_copy(update=every)}
    changed = plan.definition.model_copy(update=changes)
    if changed == plan.definition:
        return plan
    return compile_plan(changed, plan.data_fingerprint, plan.results_version, plan.device)


def train_again(trials: tuple[TrialProgress, ...], folder: RunFolder) -> None:
    """Move the folders of trials aside, so that the next run trains them again, with their monitoring."""
    place = folder.next_earlier()
    for trial in trials:  # of none, nothing is made
        path = folder.trial(trial.trial.trial_id).path
        kept = place / folder.trials.name / path.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)


def _lacks(history: TrialHistory, wanted: TrialConfig) -> tuple[str, ...]:
    """Return the keys that were others when the trial was trained, and whose records are not there."""
    recorded = history.planned["config"]
    found = []
    agreement = AgreementConfig.model_validate(recorded.get("agreement", {}))
    if agreement != wanted.agreement and wanted.agreement.every_epochs:
        other_images = agreement.images != wanted.agreement.images
        if other_images or not _recorded(history, _AGREEMENT, wanted.agreement.every_epochs):
            found.append("agreement")
    every = wanted.evaluation.validate_every
    before = EvaluationConfig.model_validate(recorded.get("evaluation", {})).validate_every
    if before != every and not _recorded(history, _VALIDATION, every):
        found.append("evaluation.validate_every")
    return tuple(found)


def _recorded(history: TrialHistory, kind: str, every: int) -> bool:
    """Return whether every epoch that is due has a metric of this kind."""
    return {epoch for epoch in history.epochs if epoch % every == 0} <= set(history.monitored.get(kind, ()))
