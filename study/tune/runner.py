"""Runs a study's remaining trials: one Tuner over all arms and both stages, until the journals show none left."""

from __future__ import annotations

import logging
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from study.errors import UserError, system_error_line
from study.interruption import hearing_signals
from study.journal.failures import one_line, signature
from study.journal.index import read_states
from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.retention.space import refuse_too_little_space
from study.run_folder.run_lock import run_lock
from study.schedule.design import is_infeasible
from study.schedule.dispatch import Dispatcher
from study.schedule.units import Packing, Resources, WorkUnit
from study.schedule.workload import Workload
from study.tune.cluster import connected
from study.tune.execution import RUN_TRIAL, WorkOrder
from study.tune.nodes.capacity import largest_node, trials_at_once
from study.tune.nodes.own_node import OwnNode
from study.tune.nodes.versions import VersionsCheck
from study.tune.nodes.waiting import wait_for_nodes
from study.tune.nodes.watching import NodesWatch, watching
from study.tune.orders import Orders
from study.tune.packing import gpu_sharing
from study.tune.ray_watch import disconnected, line_of, watched
from trainables.failures import causes

Listener = Callable[[Workload], None]
"""Called at the start, after every unit handed out and after every unit that ended."""


@dataclass(frozen=True)
class StoppedArms:
    """Arms that the run gave up on for one and the same failure; the next run tries them again.

    Attributes:
        arms: their names.
        message: kind and message of the failure, on one line.
    """

    arms: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes:
        completed: trials trained to the end, those of earlier runs included.
        pruned: trials that halving ended.
        diverged: trials whose loss became non-finite.
        failed: trials that failed in every attempt; the next run tries them again.
        waiting: trials not started or not ended, because of an interruption or because they wait for failed ones.
        arms_without_choice: arms of which no tune trial had a finite objective, by name.
        interrupted: whether Ctrl-C ended the run.
        stopped: arms whose first trials ended in equal failures, by failure.
        infeasible: trials that can never finish here: killed or too large alone, or failed equally on two nodes.
        infeasible_arms: those of ``arms_without_choice`` of whose tune trials none can finish.
    """

    completed: int
    pruned: int
    diverged: int
    failed: int
    waiting: int
    arms_without_choice: tuple[str, ...]
    interrupted: bool
    stopped: tuple[StoppedArms, ...] = ()
    infeasible: int = 0
    infeasible_arms: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.failed or self.waiting)


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; none of it changes a result.

    Attributes:
        address: of a Ray cluster; None starts one on this machine.
        max_concurrent: trials at once at most; None takes ``resources.max_concurrent`` of the study.
        listener: is notified of progress.
        runner: ``module:function`` that trains a trial; benchmarks put an empty one here.
        packing: gives the arms' shares of a GPU, in place of probes; called once, when Ray is connected.
        notice: is told in lines what probes find.
    """

    address: str | None = None
    max_concurrent: int | None = None
    listener: Listener | None = None
    runner: str = RUN_TRIAL
    packing: Callable[[StudyPlan], Packing] | None = None
    notice: Callable[[str], None] = lambda _line: None


def run_study(plan: StudyPlan, folder: RunFolder, options: RunOptions = RunOptions()) -> RunSummary:
    """Run every unit the journals do not show as done, and return how the run ended.

    Ctrl-C or SIGTERM stops the workers immediately; so does the end of this process for any reason. The same
    call resumes.

    Raises:
        UserError: another process runs this study, no cluster answers, Ray cannot be started or ended in the midst of
            the run, or no node is large enough for a trial.
    """
    folder = replace(folder, path=folder.path.resolve())
    with run_lock(folder) as held:
        dispatcher = Dispatcher(plan, folder, read_states(folder))
        interrupted = False
        if not dispatcher.exhausted:
            try:
                with hearing_signals(), connected(options.address, plan.definition.resources.threads):
                    _tune_in_this_world(plan, folder, options, dispatcher)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                disconnected()
                if not held.lost:  # it is of another driver by now
                    shutil.rmtree(folder.ray, ignore_errors=True)
        return _summary(dispatcher, interrupted=interrupted)


@dataclass(frozen=True)
class _Place:
    """Where units run: the variables of every worker, and the watch over the nodes of a cluster."""

    environment: dict[str, str]
    nodes: NodesWatch | None

    def fitting(self) -> dict[Resources, int]:
        """Return how many units of each kind fit on the nodes there are now, as far as that is watched."""
        return self.nodes.fitting() if self.nodes is not None else {}

    def largest(self) -> float:
        """Return the CPUs of the largest node there is now; 0 where nodes are not watched."""
        return self.nodes.largest if self.nodes is not None else 0.0


_ANSWER_S = 120.0
"""Time for the nodes to say what they have installed; the first trials do not wait for those that take longer."""


def _nodes(plan: StudyPlan, options: RunOptions, dispatcher: Dispatcher) -> NodesWatch | None:
    """Wait until a trial fits somewhere, see that all nodes compute alike, and return the watch over those to come."""
    if options.address is None:
        return None
    resources = plan.definition.resources
    kinds = dispatcher.reservations.kinds
    wait_for_nodes(kinds, resources.wait_for_nodes_s, options.notice)
    dispatcher.reservations.know_largest_node(largest_node(kinds))
    versions = VersionsCheck(options.notice, allowed=resources.allow_other_versions)
    versions.look(_ANSWER_S)
    limit = options.max_concurrent or resources.max_concurrent
    return NodesWatch(dispatcher, plan.definition.search.round_size, versions, limit, options.notice)


def _tune_in_this_world(plan: StudyPlan, folder: RunFolder, options: RunOptions, dispatcher: Dispatcher) -> None:
    """Run the units, and say in one line what ended it from outside: a Ray that is gone, a disk that is full."""
    with watched() as watch:
        nodes = None
        try:
            nodes = _nodes(plan, options, dispatcher)
            with _gpus_shared(plan, folder, options, dispatcher) as environment:
                _tune(plan, folder, options, dispatcher, _Place(environment, nodes))
            if nodes is not None:
                nodes.ask_no_more()
        except BaseException as error:  # whatever a Ray that is gone makes of it, an interruption of ours included
            if server := watch.lost_after_all():
                raise UserError(line_of(server)) from error
            if nodes is not None:
                nodes.ask_no_more()
                if nodes.refused is not None:
                    raise nodes.refused from error
            if isinstance(error, Exception):
                _raise_what_is_the_users(error)
            raise


def _raise_what_is_the_users(error: Exception) -> None:
    """Raise the error that the user can fix, if Tune has wrapped one."""
    for cause in causes(error):
        if isinstance(cause, UserError):
            raise cause
        if isinstance(cause, OSError):
            raise UserError(system_error_line(cause)) from error


@contextmanager
def _gpus_shared(
    plan: StudyPlan, folder: RunFolder, options: RunOptions, dispatcher: Dispatcher
) -> Iterator[dict[str, str]]:
    """Let the dispatcher know how trials share GPUs; yield the variables that this asks of every worker."""
    if options.packing is not None:
        dispatcher.reservations.pack(options.packing(plan))
        yield {}
        return
    arms = {arm_id for arm_id, arm in dispatcher.arms.items() if not arm.done}
    at_once = options.max_concurrent or plan.definition.resources.max_concurrent
    with gpu_sharing(plan, folder, arms, at_once, options.notice) as sharing:
        dispatcher.reservations.pack(sharing.packing)
        yield sharing.environment


def _tune(plan: StudyPlan, folder: RunFolder, options: RunOptions, dispatcher: Dispatcher, place: _Place) -> None:
    """Let one Tuner run the dispatcher's units until it has no more."""
    from ray import tune

    from study.tune.searcher import Ends, KeptWorkers, UnitSearcher
    from study.tune.silence import ended_when_silent
    from study.tune.worker import Worker, reservation

    resources = plan.definition.resources
    fitting_of = {kind: trials_at_once(kind.cpus, kind.gpus) for kind in dispatcher.reservations.kinds}
    fitting = max(fitting_of.values())
    limit = options.max_concurrent or resources.max_concurrent
    if options.address is None:  # no node will join, and a unit that waits for a worker keeps workers from going on
        limit = min(limit or fitting, fitting)
    known = (trial for arm in dispatcher.arms.values() for trial in (*arm.tune, *arm.confirm))
    refuse_too_little_space(folder, plan, limit or fitting, known)
    # Waiting trials beyond the running ones let Tune keep a worker when its trial ends, instead of starting another.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(min(limit or fitting, fitting))

    orders = Orders(plan, folder, options.runner, place.environment)

    def order(unit: WorkUnit) -> WorkOrder:
        return orders.of(unit, dispatcher.resources(unit).gpus)

    def changed() -> None:
        if options.listener is not None:
            options.listener(dispatcher.workload())

    changed()
    scheduler = KeptWorkers(lambda: place.fitting() or fitting_of, limit, OwnNode(dispatcher, place.largest))
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are in the journals
    with watching(place.nodes), ended_when_silent(folder, resources.silence_s, scheduler.worker_of) as silence:
        searcher = UnitSearcher(dispatcher, order, limit, changed, Ends(scheduler, silence))
        scheduler.ask(searcher)
        tuner = tune.Tuner(
            tune.with_resources(Worker, reservation),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=scheduler,
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(folder.ray),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),  # the dispatcher hands failed trials out again
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # the trial has written its own
            ),
        )
        tuner.fit()


def _summary(dispatcher: Dispatcher, *, interrupted: bool) -> RunSummary:
    arms = dispatcher.arms.values()
    workload = dispatcher.workload()
    ids = {trial.trial_id for arm in arms for trial in (*arm.tune, *arm.confirm)}
    states = dispatcher.states
    ended = [states[trial_id].history.state for trial_id in ids & states.keys()]
    pruned = sum(len(arm.pruned) for arm in arms)
    return RunSummary(
        completed=ended.count("completed"),
        pruned=pruned,
        diverged=ended.count("diverged"),
        failed=workload.failed,
        waiting=workload.trials_total - workload.trials_done - workload.failed,
        arms_without_choice=tuple(arm.tune[0].arm.name for arm in arms if arm.failure),
        interrupted=interrupted,
        stopped=_stopped(dispatcher),
        infeasible=ended.count("infeasible"),
        infeasible_arms=tuple(arm.tune[0].arm.name for arm in arms if arm.failure and is_infeasible(arm, states)),
    )


def _stopped(dispatcher: Dispatcher) -> tuple[StoppedArms, ...]:
    names, messages = defaultdict[str, list[str]](list), dict[str, str]()
    for arm_id, failure in dispatcher.stopped.items():
        cause = signature(failure)
        names[cause].append(dispatcher.arms[arm_id].tune[0].arm.name)
        messages.setdefault(cause, one_line(failure))
    return tuple(StoppedArms(tuple(arms), messages[cause]) for cause, arms in names.items())
