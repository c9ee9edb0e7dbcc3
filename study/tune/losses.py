"""Finds out how a worker ended that could not say so: killed, out of memory, or gone with its node."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.schedulers import FIFOScheduler

from study.schedule.failures.lost_worker import KILLED, LOST, Loss

if TYPE_CHECKING:
    from ray.air.execution._internal import RayActorManager
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

_NODE_IS_GONE = ("its node has died", "node was terminated", "Node Id")
_NO_MEMORY = ("running low on memory", "memory pressure", "ran out of memory", "out of memory (OOM)")
"""What Ray writes (src/ray/gcs, python/ray/exceptions.py) where it does not raise an error of its own."""

_KNOCK_S = 1.0


@dataclass(frozen=True)
class TrialActor:
    """The actor of a Tune trial: Ray's id, and whether it is up, or its process still starts."""

    actor_id: str
    is_up: bool = True


class LossesNoted(FIFOScheduler):
    """Tune's order of trials as it is, and a note of how workers ended: Tune tells a scheduler before its searcher."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._losses: dict[str, Loss] = {}
        self._trials: dict[str, Trial] = {}
        self._controller: TuneController | None = None

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """See to it, before the first trial, that Tune outlives a worker that Ray ends for its memory."""
        if self._controller is None:
            _take_shortage_for_death(tune_controller._actor_manager)  # noqa: SLF001 - Tune has no other way in
            self._controller = tune_controller
        self._trials[trial.trial_id] = trial
        super().on_trial_add(tune_controller, trial)

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> None:
        """Forget a Tune trial that has ended well."""
        self._trials.pop(trial.trial_id, None)
        super().on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Forget a Tune trial that never had a worker."""
        self._trials.pop(trial.trial_id, None)
        super().on_trial_remove(tune_controller, trial)

    def worker_of(self, trial_id: str) -> TrialActor | None:
        """Return the actor that works for a Tune trial, or whose process starts for it; None while it has no process.

        Ray itself replaces a process that has not registered with it within a minute, and it may take long to get one.
        """
        trial = self._trials.get(trial_id)
        if trial is None:
            return None
        if (actor := trial.temporary_state.ray_actor) is not None:  # set once the actor has answered
            return TrialActor(_id_of(actor))
        starting = self._starting(trial)
        return TrialActor(starting, is_up=False) if starting is not None and place_of_actor(starting) else None

    def has_actor(self, trial: Trial) -> bool:
        """Return whether the resources of a trial were there, so that its actor was created."""
        return self._starting(trial) is not None

    def _starting(self, trial: Trial) -> str | None:
        """Return Ray's id of the actor that was created for a trial once its resources were there."""
        if self._controller is None:
            return None
        tracked = self._controller._trial_to_actor.get(trial)  # noqa: SLF001 - as in ``on_trial_add``
        created = self._controller._actor_manager._live_actors_to_ray_actors_resources  # noqa: SLF001 - as above
        found = created.get(tracked) if tracked is not None else None
        return _id_of(found[0]) if found is not None else None

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Note how the worker of a trial ended."""
        self._trials.pop(trial.trial_id, None)
        error = _error_of(trial)
        if error is None or isinstance(error, RayActorError):
            self._losses[trial.trial_id] = _loss(error, _text_of(trial))
            # What the worker still owes of itself: Tune's reporter would ask for it, and meet an OutOfMemoryError.
            trial._default_result_or_future = None  # noqa: SLF001 - as in ``on_trial_add``
        super().on_trial_error(tune_controller, trial)

    def take(self, trial_id: str) -> Loss | None:
        """Return and forget how the worker of a Tune trial ended; None if it raised an error of its own."""
        return self._losses.pop(trial_id, None)


def _take_shortage_for_death(manager: RayActorManager) -> None:
    """Give Tune the end of a worker that Ray ended for its memory as that of any other: of its own, it ends the run.

    ``RayActorManager._actor_task_failed`` knows errors of actors and of tasks only, and this one is neither.
    """
    failed = manager._actor_task_failed  # noqa: SLF001 - as above

    def told(tracked_actor_task: Any, exception: Exception) -> None:
        short = isinstance(exception, OutOfMemoryError)
        failed(tracked_actor_task, RayActorError(error_msg=str(exception)) if short else exception)

    manager._actor_task_failed = told  # type: ignore[method-assign]  # noqa: SLF001


def _id_of(actor: Any) -> str:
    return str(actor._actor_id.hex())  # noqa: SLF001 - Ray has no public name for it


def _text_of(trial: Trial) -> str:
    path = trial.error_file
    return Path(path).read_text(encoding="utf-8", errors="replace") if path and Path(path).is_file() else ""


def _error_of(trial: Trial) -> Exception | None:
    """Return the error that Tune has just written beside its own files; None for one that is only text.

    ``Trial.get_pickled_error`` looks for it in the storage, where it is not yet.
    """
    path = trial.pickled_error_file
    if path is None or not Path(path).is_file():
        return None
    found = ray.cloudpickle.loads(Path(path).read_bytes())
    return found if isinstance(found, Exception) else None


def _loss(error: Exception | None, told: str) -> Loss:
    if any(words in told for words in _NO_MEMORY):
        return Loss("out_of_memory", "Ray ended the worker because its machine ran out of memory")
    if getattr(error, "preempted", False) or any(words in told for words in _NODE_IS_GONE):
        return LOST
    if isinstance(error, RayActorError) and not _node_answers(error.actor_id):  # its end may be told before its node's
        return LOST
    return KILLED


@dataclass(frozen=True)
class PlaceOfActor:
    """Where an actor runs: Ray's id of its node, the name of that machine, and the process there."""

    node: str
    host: str
    pid: int


def place_of_actor(actor_id: str) -> PlaceOfActor | None:
    """Return where an actor runs; None if Ray knows no such place any more, or has no process for it yet."""
    from ray._private import state  # no public call tells the node of an actor without the dashboard

    actor = state.actors(actor_id)
    node = _node(actor.get("Address", {}).get("NodeID")) if actor.get("Pid") else None
    return None if node is None else PlaceOfActor(node["NodeID"], node["NodeManagerHostname"], actor["Pid"])


def _node(node_id: str | None) -> dict[str, Any] | None:
    return next((node for node in ray.nodes() if node["NodeID"] == node_id), None)  # type: ignore[no-untyped-call]


def _node_answers(actor_id: str | None) -> bool:
    """Return whether the node of an actor is there: it takes Ray some fifteen seconds to declare one dead."""
    from ray._private import state  # as above

    node = _node(state.actors(actor_id).get("Address", {}).get("NodeID")) if actor_id else None
    if node is None:
        return True
    try:
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), timeout=_KNOCK_S).close()
    except OSError:
        return False
    return bool(node["Alive"])
