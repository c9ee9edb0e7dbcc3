"""``modstudy run``: everything from the study file to the trade-off table, doing only what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from study.collect.collect import collect_progress
from study.commands.notes import monitoring_line
from study.commands.results import mlflow_hint, print_report, tracker_of, write_study_report
from study.commands.target import Target, command_line, find_target
from study.errors import UserError
from study.interruption import EXIT_INTERRUPTED
from study.journal.state import read_states
from study.layout import RunFolder
from study.plan.checks import prepare_images, refuse_missing_device, refuse_untrainable
from study.plan.document import write_plan
from study.plan.foresight import foreseen
from study.plan.plan import StudyPlan
from study.plan.run_files import mend_plan, write_study_as_run
from study.run_folder.ownership import WAYS_OUT, refuse_another_rule, refuse_another_study
from study.schedule.drawing import recover_rounds
from study.schedule.progress import progress_of, read_progress
from study.schedule.rounds import read_rounds
from study.status.earlier import earlier_results, keep_aside
from study.status.monitoring import train_again, unmonitored
from study.terminal.display import open_console, say, unbroken
from study.terminal.live import LiveProgress
from study.tracking.background_sync import BackgroundSync
from study.tune.runner import RunOptions, RunSummary, run_lock, run_study

EXIT_FAILED = 1

MOST_NAMED_ARMS = 6
"""Arms that a line about equal failures names; the others are counted."""


@dataclass(frozen=True)
class RunCommand:
    """What the user asked for; see ``modstudy run --help``."""

    given: Path
    runs: Path
    address: str | None = None
    workers: int | None = None
    tracking: bool = True
    retrain: bool = False


def run(command: RunCommand) -> int:
    """Run what is missing of a study, then collect, report and mirror it; return the exit status.

    Raises:
        UserError: the study file breaks a rule, does not fit the data, or is being run already.
    """
    console = open_console()
    target = find_target(command.given, command.runs)
    plan = target.compile()
    with run_lock(target.folder), target.named():
        _refuse_to_take_over(plan, target.folder, command)
    with target.named():
        for warning in foreseen(plan, elsewhere=command.address is not None):
            say(console, f"warning: {warning}")
    with console.status("preparing images"), target.named():
        refuse_untrainable(plan)
        if command.address is None:
            refuse_missing_device(plan)
        prepare_images(plan, target.folder)
    with run_lock(target.folder):  # nobody else runs this study, so its plan may be replaced
        _write_study(target, plan, retrain=command.retrain)
        _announce(console, target, plan, command)
    with _mirrored(target, wanted=command.tracking) as mirror:
        with LiveProgress(console, mlflow_hint(target) if command.tracking else "") as live:
            options = RunOptions(command.address, command.workers, live.update)
            summary = run_study(plan, target.folder, options)
        if not summary.interrupted:
            _publish(console, target, mirror)
    if summary.interrupted:
        again = unbroken(command_line("run", command.given, command.runs))
        say(console, f"Stopped; nothing is lost. The same command goes on: {again}")
        return EXIT_INTERRUPTED
    return _verdict(console, summary, command)


def _refuse_to_take_over(plan: StudyPlan, folder: RunFolder, command: RunCommand) -> None:
    """Refuse a folder that is another study's, or whose results would count no more unless that is asked for."""
    mend_plan(folder)
    refuse_another_study(plan.definition, plan.data_fingerprint, folder)
    refuse_another_rule(plan.definition, folder)
    earlier = earlier_results(folder, plan.data_fingerprint)
    if earlier is not None and not command.retrain:
        again = command_line("run", command.given, command.runs)
        raise UserError(
            f"{folder.path} holds {earlier.trials}, and running this study would train them again: {earlier.why}."
            f" To do so: {again} --retrain (tables and report are kept in {folder.next_earlier()});"
            f" to keep them: {WAYS_OUT}"
        )


def _write_study(target: Target, plan: StudyPlan, *, retrain: bool) -> None:
    """Write plan and study file; with ``retrain`` put aside first what would not be trained again otherwise."""
    folder = target.folder
    recover_rounds(folder)  # by the plan that the trials were begun on
    if retrain and earlier_results(folder, plan.data_fingerprint) is not None:
        keep_aside(folder)
    if retrain:
        train_again(unmonitored(read_progress(folder, plan)), folder)
    write_plan(plan, folder)  # first, since it may refuse the folder
    write_study_as_run(target.definition, folder)


def _announce(console: Console, target: Target, plan: StudyPlan, command: RunCommand) -> None:
    """Say what is there already and what is new."""
    definition, states = plan.definition, read_states(target.folder)
    progress = progress_of(plan, states, read_rounds(target.folder))
    begun = sum(trial.state in ("running", "paused", "failed") or trial.is_behind for trial in progress.trials)
    asked_for = {trial.trial.trial_id for trial in progress.trials}
    size = f"{len(plan.arms)} arms, {progress.total} trials"
    state = f"{progress.done} done already, {begun} to be continued"
    say(console, f"study {definition.name}: {size}: {state}; in {target.folder.path}")
    if unused := len(states.keys() - asked_for):
        say(
            console,
            f"{unused} earlier trials belong to other settings of this study or to another version of the results,"
            " and are left out of its tables",
        )
    if lacking := unmonitored(progress):
        say(console, monitoring_line(lacking, command_line("run", command.given, command.runs)))


@contextmanager
def _mirrored(target: Target, *, wanted: bool) -> Iterator[BackgroundSync | None]:
    """Keep MLflow up to date while the block runs, where it is wanted."""
    if not wanted:
        yield None
        return
    mirror = BackgroundSync(tracker_of(target), target.folder)
    mirror.start()
    try:
        yield mirror
    finally:
        mirror.stop()


def _publish(console: Console, target: Target, mirror: BackgroundSync | None) -> None:
    """Write tables and report. MLflow comes first, for its run ids, and last, for tables and report."""
    with console.status("writing tables, report and MLflow") if console.is_terminal else nullcontext():
        up_to_date = mirror is not None and mirror.catch_up()
        progress = read_progress(target.folder)
        collect_progress(target.folder, progress)
        files = write_study_report(target, progress)
        up_to_date = up_to_date and mirror is not None and mirror.catch_up()
    print_report(console, files)
    if mirror is not None:
        say(console, mlflow_hint(target))
    if mirror is not None and not up_to_date:
        say(console, f"MLflow is not up to date, as said above; later: modstudy sync {target.folder.path}")


def _verdict(console: Console, summary: RunSummary, command: RunCommand) -> int:
    for arm in summary.arms_without_choice:
        say(console, f"{arm}: none of its tune trials ended with a finite objective, so it has no confirm trials")
    if summary.complete:
        return 0
    for stopped in summary.stopped:
        say(console, f"stopped after equal failures, {_named(stopped.arms)}: {stopped.message}")
    why, again = (unbroken(command_line(name, command.given, command.runs)) for name in ("status", "run"))
    counts = f"{summary.failed} trials failed and {summary.waiting} wait"
    say(console, f"{counts}; why: {why}; the same command tries again: {again}")
    return EXIT_FAILED


def _named(arms: tuple[str, ...]) -> str:
    shown = arms[:MOST_NAMED_ARMS]
    rest = f" and {len(arms) - len(shown)} more" if len(arms) > len(shown) else ""
    return f"{len(arms)} {'arm' if len(arms) == 1 else 'arms'} ({', '.join(shown)}{rest})"
