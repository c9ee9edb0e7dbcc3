"""What is said of a run folder whose results would be trained again, or lack monitoring that is asked for now."""

from __future__ import annotations

from study.commands.target import Target
from study.schedule.progress import RunProgress, TrialProgress, read_progress
from study.status.earlier import EarlierResults, earlier_results
from study.status.monitoring import as_monitored_by, monitoring_note, unmonitored


def notes_on(target: Target, progress: RunProgress, go_on: str) -> list[str]:
    """Return what is to be said beside the progress of a run, a line each.

    Args:
        target: the study as its file is now.
        progress: of the plan in the run folder.
        go_on: the command that runs the study.
    """
    earlier = earlier_results(target.folder, None)
    lines = [] if earlier is None else [earlier_line(earlier, go_on)]
    if lacking := lacking_monitoring(target, progress):
        lines.append(monitoring_line(lacking, go_on))
    return lines


def earlier_line(earlier: EarlierResults, go_on: str) -> str:
    """Say how many trials running the study would train again, why, and how."""
    return f"{earlier.trials} would be trained again: {earlier.why}; to do so: {go_on} --retrain"


def monitoring_line(lacking: tuple[TrialProgress, ...], go_on: str) -> str:
    """Say how many trials lack monitoring, and how they get it."""
    return f"{monitoring_note(lacking)}; to train them again with it: {go_on} --retrain"


def lacking_monitoring(target: Target, progress: RunProgress) -> tuple[TrialProgress, ...]:
    """Return the finished trials that lack what the study file asks for now, also if it has not been run since."""
    plan = as_monitored_by(target.definition, progress.plan)
    if plan is not progress.plan:
        progress = read_progress(target.folder, plan)
    return unmonitored(progress)
