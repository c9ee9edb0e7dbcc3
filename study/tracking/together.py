"""Many calls of MLflow's client in one transaction of a SQLite store.

MLflow opens nine sessions for a finished trial, sets three options of the connection in each, and commits ten times,
each time until the disk has it. Sessions that join one connection need neither. Nor do they need to ask for the
experiment at each run, for nobody else writes meanwhile; their savepoints need no compiler, and their rows no follower.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

from mlflow.store.db import utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy import Connection
from sqlalchemy.orm import sessionmaker

from study.tracking.rows import RowSession

_SESSIONS = "_get_managed_session_maker"
"""What MLflow makes its sessions with; not public, so a later version may have another."""

_AS_MLFLOW_SETS_THEM = ("foreign_keys = ON", "busy_timeout = 20000", "case_sensitive_like = true")


@contextmanager
def one_transaction(client: MlflowClient, explaining: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Commit what the calls of this thread do in the block at its end, however it is left.

    A call that is refused takes back its own changes alone, since its sessions have savepoints. A process that is
    killed in the block leaves nothing of it but files that no run has. Where the store is no SQLite file, or this
    version of MLflow makes sessions otherwise, the block is as it is without.

    Args:
        client: of the store.
        explaining: raises errors of the store as those of this room.

    Raises:
        StoreError: the transaction cannot be begun, or committed; then nothing of the block is stored.
    """
    store = _sqlite_store(client)
    if store is None:
        yield
        return
    with store.engine.connect() as connection:
        with explaining():
            for option in _AS_MLFLOW_SETS_THEM:
                connection.exec_driver_sql(f"PRAGMA {option}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # by itself SQLite would begin with the first change
        try:
            with _replaced(store, _of_this_thread(store, connection)), _replaced(store.engine.dialect, _SAVEPOINTS):
                yield
        finally:  # not before the store is as it was, for then the block of another thread can begin
            with explaining():
                _commit(connection)


def _sqlite_store(client: MlflowClient) -> Any:
    """Return the store whose sessions can be joined; None if it is none. MLflow has no transactions of its own."""
    store = getattr(getattr(client, "_tracking_client", None), "store", None)
    if not isinstance(store, SqlAlchemyStore) or store.engine.dialect.name != "sqlite":
        return None
    return store if hasattr(store, "ManagedSessionMaker") and hasattr(utils, _SESSIONS) else None


def _of_this_thread(store: Any, connection: Connection) -> dict[str, Callable[..., Any]]:
    """Return what the store is given for the block: its sessions on the connection, and each experiment asked for once.

    Other threads, which share stores, get what they had. An experiment is changed by none of the calls of a block.
    """
    sessions = sessionmaker(
        connection, class_=RowSession, join_transaction_mode="create_savepoint", expire_on_commit=False
    )
    experiment, mine = cache(store.get_experiment), threading.get_ident()
    instead = {"ManagedSessionMaker": getattr(utils, _SESSIONS)(sessions, ""), "get_experiment": experiment}

    def in_this_thread(own: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            return (other if threading.get_ident() == mine else own)(*given, **named)

        return call

    return {name: in_this_thread(getattr(store, name), other) for name, other in instead.items()}


def _executing(statement: str) -> Callable[[Connection, str], None]:
    def execute(connection: Connection, savepoint: str) -> None:
        connection.exec_driver_sql(f"{statement} {savepoint}")

    return execute


_SAVEPOINTS = {"do_savepoint": _executing("SAVEPOINT"), "do_release_savepoint": _executing("RELEASE SAVEPOINT")}
"""Methods of SQLAlchemy's dialects (``sqlalchemy.engine.interfaces``), which would compile each statement anew."""


@contextmanager
def _replaced(thing: object, instead: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Let these attributes of a thing be others while the block runs."""
    own = {name: value for name, value in vars(thing).items() if name in instead}
    vars(thing).update(instead)
    try:
        yield
    finally:
        for name in instead:  # those that were its class's are that again
            vars(thing).pop(name, None)
        vars(thing).update(own)


def _commit(connection: Connection) -> None:
    """Commit, unless SQLite has taken back everything already, for example because the disk is full.

    Raises:
        OSError: it has.
    """
    driver: Any = connection.connection.dbapi_connection
    if not driver.in_transaction:
        raise OSError("its last transaction was taken back")
    connection.commit()
