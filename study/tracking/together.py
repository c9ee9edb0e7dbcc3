"""Many calls of MLflow's client in one transaction of a SQLite store.

MLflow opens some twenty sessions for a finished trial, sets three options of the connection in each, and commits ten
times, each time until the disk has it. Sessions that join one connection need neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from mlflow.store.db import utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy import Connection
from sqlalchemy.orm import sessionmaker

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
        own, store.ManagedSessionMaker = store.ManagedSessionMaker, _joining(connection, store.ManagedSessionMaker)
        try:
            yield
        finally:
            store.ManagedSessionMaker = own  # before the next block of another thread can begin, which is below
            with explaining():
                _commit(connection)


def _sqlite_store(client: MlflowClient) -> Any:
    """Return the store whose sessions can be joined; None if it is none. MLflow has no transactions of its own."""
    store = getattr(getattr(client, "_tracking_client", None), "store", None)
    if not isinstance(store, SqlAlchemyStore) or store.engine.dialect.name != "sqlite":
        return None
    return store if hasattr(store, "ManagedSessionMaker") and hasattr(utils, _SESSIONS) else None


def _joining(connection: Connection, own: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes sessions of this thread on the connection, and those of others as before: they share stores."""
    mine = threading.get_ident()
    joined = getattr(utils, _SESSIONS)(sessionmaker(bind=connection, join_transaction_mode="create_savepoint"), "")
    return lambda read_only=True: (joined if threading.get_ident() == mine else own)(read_only=read_only)


def _commit(connection: Connection) -> None:
    """Commit, unless SQLite has taken back everything already, for example because the disk is full.

    Raises:
        OSError: it has.
    """
    driver: Any = connection.connection.dbapi_connection
    if not driver.in_transaction:
        raise OSError("its last transaction was taken back")
    connection.commit()
