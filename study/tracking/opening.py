"""Opening a store: quickly where it cannot be opened, and its tables made by one process at a time."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import parse_qsl

from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from study.definition.secrets import redact
from study.definition.tracking_address import StoreAddress
from study.layout import sqlite_uri
from study.tracking.errors import StoreRefusedError
from trainables.foundation.locks.lock import locked

_TIMES = 5
_LOCK_S = 60
_SQLITE_OPTIONS = (
    *("timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements", "autocommit"),
    *("uri", "mode", "cache", "immutable", "nolock", "vfs", "psow"),
)
_IN_THE_MAKING = ("already exists", "duplicate key", "Online migration expected", "out-of-date database schema")
"""Parts of what MLflow says while somebody else makes the tables of the same database."""


def open_client(address: StoreAddress) -> MlflowClient:
    """Return a client of the store; a database is connected to, and its tables are made where there are none.

    Raises:
        StoreRefusedError: the address means nothing, or its driver is not installed.
        MlflowException, SQLAlchemyError, OSError: it cannot be opened.
    """
    try:
        _refuse_memory(address)
        _refuse_unknown_options(address)
        with _alone(address):
            _make_whole(address)
            return _open(address)
    except ModuleNotFoundError as error:
        raise StoreRefusedError(
            f"MLflow at {address.shown} needs the package {error.name!r}: install it (for postgresql:// with: pip"
            " install 'psycopg[binary]')"
        ) from None
    except (TypeError, ValueError) as error:
        raise StoreRefusedError(
            f"MLflow at {address.shown} cannot be opened ({redact(str(error))}): correct {address.origin}; in the path"
            " of a file ? is written %3F and % is written %25"
        ) from None
    except CommandError as error:
        raise StoreRefusedError(f"MLflow at {address.shown}: its tables are of no use: {redact(str(error))}") from None


def _refuse_memory(address: StoreAddress) -> None:
    """Refuse a SQLite store without a file: it would take everything, and be gone with this process.

    Raises:
        ValueError: the address names no file.
    """
    if address.is_database:
        url = make_url(address.uri)
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise ValueError("it names no file, and what SQLite keeps in memory is lost when the command ends")


def _refuse_unknown_options(address: StoreAddress) -> None:
    """Refuse a path with a ``?`` in it as it is, at which SQLAlchemy would cut the name of the file.

    Raises:
        ValueError: an option that SQLite does not have.
    """
    options = parse_qsl(address.uri.partition("?")[2], keep_blank_values=True) if address.sqlite_file else []
    for name, _ in options:
        if name not in _SQLITE_OPTIONS:
            raise ValueError(f"SQLite has no option {name!r}")


def _alone(address: StoreAddress) -> AbstractContextManager[object]:
    """Keep other processes of ours from opening the same SQLite file, whose tables are made in many small steps."""
    file = address.sqlite_file
    if file is None:
        return nullcontext()
    file.parent.mkdir(parents=True, exist_ok=True)
    return locked(file.with_name(f"{file.name}.lock"), _LOCK_S)


def _make_whole(address: StoreAddress) -> None:
    """Make the tables of a SQLite file that is not there beside its place: a process killed meanwhile leaves no half.

    MLflow could not go on with such a half.
    """
    file = address.sqlite_file
    if file is None or file.exists():
        return
    making = file.with_name(f"{file.name}.making")
    making.unlink(missing_ok=True)
    engine = create_sqlalchemy_engine(sqlite_uri(making))  # type: ignore[no-untyped-call]
    _initialize_tables(engine)  # type: ignore[no-untyped-call]
    engine.dispose()
    making.replace(file)


def _open(address: StoreAddress) -> MlflowClient:
    for attempt in range(1, _TIMES + 1):
        try:
            if address.is_database:
                _connect(address.uri)
            return MlflowClient(address.uri)
        except (SQLAlchemyError, MlflowException, CommandError) as error:
            if attempt == _TIMES or not any(words in str(error) for words in _IN_THE_MAKING):
                raise
            time.sleep(attempt)
    raise AssertionError


def _connect(uri: str) -> None:
    """Connect once, so that a database that cannot be opened reports it at once; MLflow then uses this engine.

    MLflow itself would try for two minutes, and for SQLite make a folder named like the address, escapes and all.
    """
    engines = SqlAlchemyStore._engine_map  # noqa: SLF001 - nothing public keeps MLflow from trying ten times
    if uri not in engines:
        engine = create_sqlalchemy_engine(uri)  # type: ignore[no-untyped-call]
        with engine.connect():
            engines[uri] = engine
