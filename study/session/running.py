"""Runs a study from definition to report, doing only the work that is missing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from results.report.report import ReportFiles
from study.errors import UserError
from study.journal.index import read_states
from study.layout import RunFolder
from study.plan.checks import prepare_images, refuse_missing_device, refuse_untrainable
from study.plan.cost import concurrent_trials
from study.plan.data_record import left_out_of_run
from study.plan.document import write_plan
from study.plan.foresight import foreseen
from study.plan.plan import StudyPlan
from study.plan.run_files import mend_plan, write_study_as_run
from study.retention.removal import apply_retention
from study.retention.space import refuse_too_little_space
from study.run_folder.ownership import WAYS_OUT, refuse_another_rule, refuse_another_study
from study.run_folder.provenance import note_start
from study.run_folder.run_lock import run_lock
from study.run_folder.stored import driven, publish
from study.schedule.drawing import recover_rounds
from study.schedule.progress import progress_of, read_progress
from study.schedule.rounds import read_rounds, told_trials
from study.session.mirror import mirrored, mlflow_command, require_mlflow
from study.session.notes import monitoring_line
from study.session.progress import Progress
from study.session.reading import report_run
from study.session.target import Target
from study.status.earlier import earlier_results, keep_aside
from study.status.monitoring import train_again, unmonitored
from study.tune.cluster import gpus_of_cluster, refuse_address
from study.tune.runner import RunOptions, RunSummary, run_study

MOST_NAMED_ARMS = 6
"""Number of arms named in a line about equal failures; the rest are only counted."""

if TYPE_CHECKING:
    from study.tracking.background.process import MirrorProcess


@dataclass(frozen=True)
class RunRequest:
    """How to run a study; no option affects results.

    Attributes:
        address: address of a Ray cluster (``auto``: the one running on this machine); None starts one on this machine.
        workers: maximum number of concurrent trials; None uses the study's setting, or as many as fit.
        tracking: whether to keep MLflow up to date.
        retrain: whether to retrain trials whose results no longer count, that lack the requested monitoring, or that
            are infeasible.
    """

    address: str | None = None
    workers: int | None = None
    tracking: bool = True
    retrain: bool = False


class RunInterruptedError(KeyboardInterrupt):
    """Ctrl-C ended a run. Nothing is lost; the message describes how to resume."""


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run.

    Attributes:
        trials: number of trials by outcome, such as completed, failed or waiting.
        report: the files written, and the summary table.
        notes: notes for the user, one sentence each; empty if there is nothing to report.
        mlflow: the command that opens MLflow; empty without tracking.
    """

    trials: RunSummary
    report: ReportFiles
    notes: tuple[str, ...]
    mlflow: str

    @property
    def complete(self) -> bool:
        """Whether no work is left."""
        return self.trials.complete

    def __repr__(self) -> str:
        """Return a one-line summary."""
        trials = self.trials
        counts = {
            "completed": trials.completed,
            "pruned": trials.pruned,
            "diverged": trials.diverged,
            "infeasible": trials.infeasible,
            "failed": trials.failed,
            "waiting": trials.waiting,
        }
        named = ", ".join(f"{number} {state}" for state, number in counts.items() if number or state == "completed")
        return f"<trials: {named}; report: {self.report.report}>"


def run_target(target: Target, request: RunRequest, progress: Progress) -> RunResult:
    """Run the missing trials of a study, then collect its tables, write its report and update MLflow.

    Raises:
        UserError: the study breaks a rule, does not fit the data, is already running, or would run outside the main
            thread.
        RunInterruptedError: Ctrl-C was pressed; nothing is lost.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UserError(
            f"study {target.definition.name}: a study runs in the main thread only, where Ctrl-C and the loss of Ray"
            " can end it; run it in a process of its own, for example with multiprocessing"
        )
    if request.retrain and target.folder.url:
        raise UserError(f"{target.folder.url}: --retrain works in a folder only; give the study another name")
    if request.address is not None:
        refuse_address(request.address)
    with driven(target.folder) as folder:
        return _run(replace(target, folder=folder), request, progress)


def _run(target: Target, request: RunRequest, progress: Progress) -> RunResult:
    if request.tracking:
        require_mlflow()
    plan = _compiled(target, request.address)
    with run_lock(target.folder), target.named():
        _refuse_to_take_over(plan, target, retrain=request.retrain)
        # how many trials nodes and GPUs hold at once is known once Ray is there, and ``run_study`` asks again
        certain = 1 if request.address or plan.gpus else concurrent_trials(plan.definition, request.workers)
        refuse_too_little_space(target.folder, plan, certain)
    if request.address is not None and plan.device.kind == "cpu" and target.definition.resources.gpus == "auto":
        progress.notice(_why_on_the_cpu(begun=any(target.folder.trials.glob("*/journal.jsonl"))))
    with target.named():
        for warning in foreseen(plan, elsewhere=request.address is not None):
            progress.notice(f"warning: {warning}")
    with progress.phase("preparing images"), target.named():
        refuse_untrainable(plan)
        if request.address is None:
            refuse_missing_device(plan, target.folder)
        prepare_images(plan, target.folder)
    with run_lock(target.folder):  # no other process runs this study, so its plan may be replaced
        _write_study(target, plan, retrain=request.retrain)
        note_start(target.folder)
        publish(target.folder)
        for line in _announcement(target, plan):
            progress.notice(line)
    mlflow = mlflow_command(target) if request.tracking else ""
    with mirrored(target, tracking=request.tracking) as mirror:
        with progress.trials(f"MLflow: {mlflow}" if mlflow else "") as listener:
            options = RunOptions(request.address, request.workers, listener, notice=progress.notice)
            summary = run_study(plan, target.folder, options)
        if summary.interrupted:
            raise RunInterruptedError(f"Stopped; nothing is lost. To resume: {target.command('run')}")
        with progress.phase("writing tables, report and MLflow"):
            report, up_to_date = _publish(target, mirror)
            if summary.complete:
                _keep_what_was_asked_for(target.folder, plan, report)
            behind = [] if mirror is None or up_to_date else [_behind(target, mirror)]
    notes = (*behind, *_verdict(target, summary))
    progress.ended(notes)
    return RunResult(summary, report, notes, mlflow)


def _compiled(target: Target, address: str | None) -> StudyPlan:
    """Return the plan, on a device that is there where the study will run."""
    if address is None:
        return target.compile()
    return target.compile(partial(gpus_of_cluster, address, target.definition.resources.threads))


def _why_on_the_cpu(*, begun: bool) -> str:
    if begun:
        return (
            "this study was begun on the CPU, and goes on there, whatever the cluster has (resources.gpus: auto);"
            " to use GPUs, give it another name"
        )
    return "no node of the cluster has a GPU: this study trains on the CPU (resources.gpus: auto)"


def _refuse_to_take_over(plan: StudyPlan, target: Target, *, retrain: bool) -> None:
    """Refuse a folder that belongs to another study, or, without ``retrain``, whose results would no longer count."""
    folder: RunFolder = target.folder
    mend_plan(folder)
    refuse_another_study(plan.definition, plan.data_fingerprint, folder)
    refuse_another_rule(plan.definition, folder)
    told_trials(plan, folder)  # refuses earlier studies that do not fit, before images are prepared
    earlier = earlier_results(folder, plan.data_fingerprint, plan.device.kind)
    if earlier is not None and not retrain:
        kept = "" if folder.url else f" (tables and report are kept in {folder.next_earlier()})"
        raise UserError(
            f"{folder.shown} holds {earlier.trials}, and running this study would train them again: {earlier.why}."
            f" To do so: {target.training_again()}{kept}; to keep them: {WAYS_OUT}"
        )


def _write_study(target: Target, plan: StudyPlan, *, retrain: bool) -> None:
    """Write plan and study file; with ``retrain``, first set aside results that would otherwise be kept."""
    folder = target.folder
    recover_rounds(folder)  # uses the plan under which the trials started
    if retrain and earlier_results(folder, plan.data_fingerprint, plan.device.kind) is not None:
        keep_aside(folder)
    if retrain:
        progress = read_progress(folder, plan)
        train_again((*unmonitored(progress), *progress.infeasible), folder)
    write_plan(plan, folder)  # first, since it may refuse the folder
    write_study_as_run(target.definition, folder)


def _announcement(target: Target, plan: StudyPlan) -> Iterator[str]:
    """Yield lines that describe existing results and remaining work."""
    states = read_states(target.folder)
    progress = progress_of(plan, states, read_rounds(target.folder))
    begun = sum(trial.state in ("running", "paused", "failed") or trial.is_behind for trial in progress.trials)
    asked_for = {trial.trial.trial_id for trial in progress.trials}
    size = f"{len(plan.arms)} arms, {progress.total} trials"
    state = f"{progress.done} done already, {begun} to be continued"
    yield f"study {plan.definition.name}: {size}: {state}; in {target.folder.shown}"
    if unused := len(states.keys() - asked_for):
        yield (
            f"{unused} earlier trials belong to other settings of this study or to another version of the results,"
            " and are left out of its tables"
        )
    yield from left_out_of_run(target.folder, plan.data_fingerprint)
    if lacking := unmonitored(progress):
        yield monitoring_line(target, lacking)


def _publish(target: Target, mirror: MirrorProcess | None) -> tuple[ReportFiles, bool]:
    """Write tables and report; return them, and whether MLflow is up to date.

    MLflow is synced before the report, which needs its run ids, and again after it.
    """
    up_to_date = mirror is None or mirror.catch_up()
    report = report_run(target)
    return report, mirror is None or (up_to_date and mirror.catch_up())


def _keep_what_was_asked_for(folder: RunFolder, plan: StudyPlan, report: ReportFiles) -> None:
    """Remove the weights that ``retention`` lets go, after the page, which is made from them."""
    progress = read_progress(folder, plan)
    finished = (trial.trial for trial in progress.trials if trial.state == "completed")
    apply_retention(folder, plan, finished, report.summary)


def _behind(target: Target, mirror: MirrorProcess) -> str:
    lacking = mirror.lacking()
    lacks = f": it lacks {lacking}" if lacking else ""
    return f"MLflow is not up to date, as logged above{lacks}; later: {target.command('sync')}"


def _verdict(target: Target, summary: RunSummary) -> Iterator[str]:
    for arm in summary.arms_without_choice:
        if arm in summary.infeasible_arms:
            way_out = f"on other machines, or once the cause is mended: {target.training_again()}"
            why = f"can finish here ({way_out})"
        else:
            why = "ended with a finite objective"
        yield f"{arm}: none of its tune trials {why}, so it has no confirm trials"
    if lost := _without_result(summary):
        yield f"{lost}: these trials have no result, and the sampler was told; causes: {target.command('status')}"
    if summary.complete:
        return
    for stopped in summary.stopped:
        yield f"stopped after equal failures, {_named(stopped.arms)}: {stopped.message}"
    why, again = target.command("status"), target.command("run")
    yield f"{summary.failed} trials failed and {summary.waiting} wait; causes: {why}; to try again: {again}"


def _without_result(summary: RunSummary) -> str:
    counts = {"diverged": summary.diverged, "infeasible": summary.infeasible}
    return " and ".join(f"{number} {state}" for state, number in counts.items() if number)


def _named(arms: tuple[str, ...]) -> str:
    shown = arms[:MOST_NAMED_ARMS]
    rest = f" and {len(arms) - len(shown)} more" if len(arms) > len(shown) else ""
    return f"{len(arms)} {'arm' if len(arms) == 1 else 'arms'} ({', '.join(shown)}{rest})"
