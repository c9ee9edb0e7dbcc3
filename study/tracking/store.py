"""A store that is open: MLflow's client, with every answer noted and every error explained.

MLflow's own retries are off: when a response is lost, the request may or may not have been carried out. The mirror
repeats itself as a whole, looking first at what is there.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("PGCONNECT_TIMEOUT", "5")

from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.tracking import MlflowClient

from study.definition.secrets import redact
from study.definition.tracking_address import StoreAddress
from study.tracking.artifacts import is_folder, put_json
from study.tracking.errors import (
    FROM_THE_STORE,
    BrokenOffError,
    RunGoneError,
    StoreConflictError,
    StoreError,
    StoreRefusedError,
    explained,
)
from study.tracking.opening import open_client
from study.tracking.together import one_transaction

Entity = Param | RunTag | Metric
Item = TypeVar("Item")

_KIND = ("mlflow.experimentKind", "custom_model_development")
"""Which of its pages MLflow shows; it would offer those for language models. 3.17 asks the reader's browser instead."""

_TIMES = 4
"""How often a call is made that meets the same one of another process."""

_TOGETHER_S = 0.5
"""For so long others who write to the same SQLite file wait, as MLflow lets them."""

_PER_REQUEST = {Param: 90, RunTag: 90, Metric: 800}  # a server takes at most 100, 100 and 1,000, and 1,000 in all


class Store:
    """The calls of MLflow's client that the mirror makes.

    Attributes:
        last_answer: ``time.monotonic()`` of the last sign of life of the store.
        breaking_off: while it is set, no further request is made.
    """

    def __init__(self, address: StoreAddress) -> None:
        for noisy in ("alembic", "mlflow"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)  # whatever they would say is raised as well
        self.address = address
        self.last_answer = time.monotonic()
        self.breaking_off = threading.Event()
        self._client: MlflowClient | None = None

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the method of this name of ``MlflowClient``.

        Raises:
            StoreError: the store cannot be reached or refuses, or no request may be made.
        """
        return self._do(lambda client: getattr(client, method)(*arguments, **named))

    def together(self, items: Iterable[Item], action: Callable[[Item], None], files_at: str = "") -> None:
        """Call ``action`` with each item; where the store is a SQLite file, calls of half a second are stored together.

        Args:
            items: given to ``action`` in their order.
            action: makes calls.
            files_at: where files go that it sends. If that is another machine, no one who writes to the same SQLite
                file is to wait for it, and each call is stored by itself.

        Raises:
            StoreError: they cannot be stored; nothing of that half second is.
        """
        waiting = deque(items)
        while waiting:
            with self._explaining():
                client = self._client = self._client or open_client(self.address)
            with one_transaction(client, self._explaining) if is_folder(files_at) else nullcontext():
                ends = time.monotonic() + _TOGETHER_S
                while waiting and time.monotonic() < ends:
                    action(waiting.popleft())

    def upload(self, method: str, *arguments: Any) -> None:
        """Call a method that sends files.

        Raises:
            StoreRefusedError: they cannot be sent; clients of object stores have errors of their own kinds.
            StoreError: the store cannot be reached or refuses.
        """
        self._send(lambda client: getattr(client, method)(*arguments))

    def attach(self, place: str, file: str, document: Mapping[str, Any]) -> None:
        """Send what ``MlflowClient.log_dict`` does, which would first ask where the artifacts of the run are.

        Args:
            place: where they are, as the run has it.
            file: its name.
            document: its content.

        Raises:
            StoreError: see ``upload``.
        """
        self._send(lambda _: put_json(place, self.address.uri, file, document))

    def _send(self, action: Callable[[MlflowClient], object]) -> None:
        try:
            self._do(action)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client of an object store raises
            reason = redact(" ".join(f"{type(error).__name__}: {error}".split()))
            raise StoreRefusedError(f"files cannot be sent to MLflow at {self.address.shown}: {reason}") from None

    def experiment(self, name: str) -> str:
        """Return the id of the experiment of this name, made when there is none.

        Raises:
            StoreError: also when it was deleted.
        """
        found = self.call("get_experiment_by_name", name)
        if found is None:
            artifacts = self.address.artifacts
            try:
                location = None if artifacts is None else artifacts.as_uri()
                return str(self.call("create_experiment", name, artifact_location=location, tags=dict([_KIND])))
            except StoreRefusedError:  # somebody else made it in between, or it is refused indeed
                found = self.call("get_experiment_by_name", name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise StoreRefusedError(
                f"MLflow at {self.address.shown}: the experiment {name!r} was deleted there; restore it (mlflow"
                f" experiments restore --experiment-id {found.experiment_id}, with MLFLOW_TRACKING_URI set), or name"
                " another one in the study file as tracking.experiment"
            )
        if _KIND[0] not in found.tags:  # made by somebody else, or by an older version
            self.call("set_experiment_tag", found.experiment_id, *_KIND)
        return str(found.experiment_id)

    def runs(self, experiment: str, condition: str, view: int = ViewType.ACTIVE_ONLY) -> Iterator[Run]:
        """Yield the runs of an experiment that fulfil a condition."""
        token: str | None = None
        while True:
            page = self.call("search_runs", [experiment], condition, view, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def log(self, run_id: str, entities: list[Entity]) -> list[str]:
        """Log params, tags and metrics, in this order; return what of it the store refuses, the rest being logged.

        Raises:
            RunGoneError: the run is deleted.
            StoreError: the store cannot be reached.
        """
        return [what for part in _requests(entities) for what in self._log_or_halve(run_id, part)]

    def _log_or_halve(self, run_id: str, entities: list[Entity]) -> list[str]:
        named = {
            name: [entity for entity in entities if isinstance(entity, kind)]
            for name, kind in (("metrics", Metric), ("params", Param), ("tags", RunTag))
        }
        try:
            self.call("log_batch", run_id, **named, synchronous=True)
        except StoreRefusedError as error:
            self._check_run(run_id)
            if len(entities) == 1:
                return [f"{type(entities[0]).__name__.lower()} {entities[0].key!r}: {error}"]
            half = len(entities) // 2
            return self._log_or_halve(run_id, entities[:half]) + self._log_or_halve(run_id, entities[half:])
        return []

    def _do(self, action: Callable[[MlflowClient], Any]) -> Any:
        for attempt in range(1, _TIMES + 1):
            if self.breaking_off.is_set():
                raise BrokenOffError(f"MLflow at {self.address.shown}: broken off between two requests")
            try:
                with self._explaining():
                    self._client = self._client or open_client(self.address)
                    answer = action(self._client)
            except StoreConflictError:
                if attempt == _TIMES:
                    raise
                time.sleep(0.1 * attempt)
            else:
                self.last_answer = time.monotonic()
                return answer
        raise AssertionError

    def _check_run(self, run_id: str) -> None:
        """Raise ``RunGoneError`` when the run is deleted, purged or was never there."""
        try:
            stage = self.call("get_run", run_id).info.lifecycle_stage
        except StoreRefusedError as error:
            raise RunGoneError(str(error)) from None
        if stage != "active":
            raise RunGoneError(f"MLflow at {self.address.shown}: the run {run_id} was deleted there")

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except FROM_THE_STORE as error:
            raise explained(error, self.address) from None


def _requests(entities: Iterable[Entity]) -> Iterator[list[Entity]]:
    """Yield as many entities, in their order, as one request may carry."""
    part: list[Entity] = []
    room = Counter(_PER_REQUEST)
    for entity in entities:
        if not room[type(entity)]:
            yield part
            part, room = [], Counter(_PER_REQUEST)
        part.append(entity)
        room[type(entity)] -= 1
    if part:
        yield part
