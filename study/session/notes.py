"""What is said of a run folder whose results would be trained again, or lack monitoring that is asked for now."""

from __future__ import annotations

from study.schedule.progress import RunProgress, TrialProgress, read_progress
from study.session.target import Target
from study.status.earlier import EarlierResults, earlier_results
from study.status.monitoring import as_monitored_by, monitoring_note, unmonitored


def notes_on(target: Target, progress: RunProgress) -> list[str]:
    """Return what is to be said beside the progress of the run of a study, a line each."""
    earlier = earlier_results(target.folder, None)
    lines = [] if earlier is None else [earlier_line(target, earlier)]
    if lacking := lacking_monitoring(target, progress):
        lines.append(monitoring_line(target, lacking))
    return lines


def earlier_line(target: Target, earlier: EarlierResults) -> str:
    """Say how many trials running the study would train again, why, and how."""
    return f"{earlier.trials} would be trained again: {earlier.why}; to do so: {target.command('run', '--retrain')}"


def monitoring_line(target: Target, lacking: tuple[TrialProgress, ...]) -> str:
    """Say how many trials lack monitoring, and how they get it."""
    return f"{monitoring_note(lacking)}; to train them again with it: {target.command('run', '--retrain')}"


def lacking_monitoring(target: Target, progress: RunProgress) -> tuple[TrialProgress, ...]:
    """Return the finished trials that lack what the study file asks for now, also if it has not been run since."""
    plan = as_monitored_by(target.definition, progress.plan)
    if plan is not progress.plan:
        progress = read_progress(target.folder, plan)
    return unmonitored(progress)
