"""Notes on a run folder whose results would be retrained, or lack the monitoring that is now requested."""

from __future__ import annotations

from study.definition.model import StudyDefinition
from study.plan.budget import over_budget_lines
from study.plan.data_record import left_out_of_run
from study.schedule.progress import RunProgress, TrialProgress, read_progress
from study.session.edits import edits_line
from study.session.target import Target
from study.status.earlier import EarlierResults, earlier_results
from study.status.looks import look_line
from study.status.monitoring import as_monitored_by, monitoring_note, unmonitored


def notes_on(target: Target, progress: RunProgress) -> list[str]:
    """Return the notes to show next to the progress of a study's run, one line each."""
    earlier = earlier_results(target.folder, None)
    lines = [] if earlier is None else [earlier_line(target, earlier)]
    if edits := edits_line(target, progress.plan):
        lines.append(edits)
    lines += left_out_of_run(target.folder, progress.plan.data_fingerprint)
    lines += over_budget_lines(progress.plan.over_budget)
    lines += unequal_effort(progress)
    lines += compared_too_early(progress.plan.definition)
    if lacking := lacking_monitoring(target, progress):
        lines.append(monitoring_line(target, lacking))
    if look := look_line(progress):
        lines.append(look)
    return [*lines, *moved_lines(progress)]


def unequal_effort(progress: RunProgress) -> list[str]:
    """Return a line where arms did not all get the same number of whole tune trials by intent."""
    search = progress.plan.definition.search
    if search.mode == "explore":
        proposed = f"arms and values were proposed by {search.sampler}, {search.round_size} at a time"
        if search.warm_start:
            proposed += f", which was told earlier trials of {', '.join(search.warm_start)} first"
        return [f"{proposed}: arms differ in tune trials, and only those on the validation front are confirmed"]
    if search.halving is not None and not search.halving.repeatable:
        return ["tune trials were pruned asynchronously (search.halving.mode): a repetition may select other values"]
    stopped = sum(end.by_cheaper_arm for _, arm in progress.arms for end in arm.pruned)
    if not stopped:
        return []
    why = f"{stopped} tune trials stopped because a cheaper arm was out of their reach (search.halving.stop_beaten)"
    return [f"{why}: an arm that a cheaper one beats was tuned less than the others"]


def compared_too_early(definition: StudyDefinition) -> list[str]:
    """Return a line where halving compares trials before their learning-rate schedule has ended."""
    halving, training = definition.search.halving, definition.optimization
    rungs = () if halving is None else halving.unfinished(training)
    if not rungs:
        return []
    when = f"epoch{'s' if len(rungs) > 1 else ''} {' and '.join(map(str, rungs))} of {training.epochs}"
    why = f"before the {training.schedule} schedule has ended (search.halving.schedule: whole)"
    return [f"tune trials are compared at {when}, {why}: a lower learning rate may be selected than would be best"]


def moved_lines(progress: RunProgress) -> list[str]:
    """Return a line about trials that were continued on another type of GPU or by other versions, if there are any."""
    moved = [trial.history.moved for trial in progress.trials if trial.history is not None and trial.history.moved]
    if not moved:
        return []
    changes = sorted({f"{name} {' to '.join(values)}" for found in moved for name, values in found.items()})
    line = (
        f"{len(moved)} trials were continued where other software or another GPU computes ({'; '.join(changes)}):"
        " their last bits are not those of an uninterrupted trial"
    )
    return [line]


def earlier_line(target: Target, earlier: EarlierResults) -> str:
    """Return a line that reports how many trials would be retrained, why, and with which command."""
    return f"{earlier.trials} would be trained again: {earlier.why}; to do so: {target.training_again()}"


def monitoring_line(target: Target, lacking: tuple[TrialProgress, ...]) -> str:
    """Return a line that reports how many trials lack monitoring, and the command that adds it."""
    return f"{monitoring_note(lacking)}; to train them again with it: {target.training_again()}"


def lacking_monitoring(target: Target, progress: RunProgress) -> tuple[TrialProgress, ...]:
    """Return the finished trials that lack monitoring the study file now requests, even if not run since the change."""
    plan = as_monitored_by(target.definition, progress.plan)
    if plan is not progress.plan:
        progress = read_progress(target.folder, plan)
    return unmonitored(progress)
