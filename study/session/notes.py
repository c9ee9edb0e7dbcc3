"""Notes on a run folder whose results would be retrained, or lack the monitoring that is now requested."""

from __future__ import annotations

from study.plan.data_record import left_out_of_run
from study.schedule.progress import RunProgress, TrialProgress, read_progress
from study.session.edits import edits_line
from study.session.target import Target
from study.status.earlier import EarlierResults, earlier_results
from study.status.monitoring import as_monitored_by, monitoring_note, unmonitored


def notes_on(target: Target, progress: RunProgress) -> list[str]:
    """Return the notes to show next to the progress of a study's run, one line each."""
    earlier = earlier_results(target.folder, None)
    lines = [] if earlier is None else [earlier_line(target, earlier)]
    if edits := edits_line(target, progress.plan):
        lines.append(edits)
    lines += left_out_of_run(target.folder, progress.plan.data_fingerprint)
    if lacking := lacking_monitoring(target, progress):
        lines.append(monitoring_line(target, lacking))
    return [*lines, *moved_lines(progress)]


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
    return f"{earlier.trials} would be trained again: {earlier.why}; to do so: {target.command('run', '--retrain')}"


def monitoring_line(target: Target, lacking: tuple[TrialProgress, ...]) -> str:
    """Return a line that reports how many trials lack monitoring, and the command that adds it."""
    return f"{monitoring_note(lacking)}; to train them again with it: {target.command('run', '--retrain')}"


def lacking_monitoring(target: Target, progress: RunProgress) -> tuple[TrialProgress, ...]:
    """Return the finished trials that lack monitoring the study file now requests, even if not run since the change."""
    plan = as_monitored_by(target.definition, progress.plan)
    if plan is not progress.plan:
        progress = read_progress(target.folder, plan)
    return unmonitored(progress)
