"""The MLflow store of a study: named in its file, in ``MLFLOW_TRACKING_URI``, or SQLite in the run folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from study.definition.secrets import redact_address
from study.layout import RunFolder, sqlite_uri

ENVIRONMENT = "MLFLOW_TRACKING_URI"
_PLAIN = "sqlite:///"
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///")  # also with the name of a driver
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class StoreAddress:
    """An MLflow store.

    Attributes:
        uri: what MLflow opens; it may contain a password, so only ``shown`` is ever printed.
        origin: where the address comes from, for error messages.
        artifacts: where artifacts of a new experiment go; None lets the server decide.
    """

    uri: str = field(repr=False)
    origin: str
    artifacts: Path | None

    @property
    def shown(self) -> str:
        """The address without its secrets."""
        return redact_address(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether a server answers there, rather than a database that each process opens."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def is_database(self) -> bool:
        """Whether MLflow opens a database there."""
        return self.uri.partition("://")[0].partition("+")[0] in _DATABASES

    @property
    def sqlite_file(self) -> Path | None:
        """The file of a SQLite store."""
        scheme = _SQLITE.match(self.uri)
        return Path(unquote(self.uri[scheme.end() :].partition("?")[0])).absolute() if scheme else None


def store_address(folder: RunFolder, uri: str | None) -> StoreAddress:
    """Return the store of the run in ``folder``.

    Args:
        folder: the folder of the run.
        uri: ``tracking.uri`` of the study file, if given.
    """
    given, origin = (uri, "tracking.uri") if uri is not None else (os.environ.get(ENVIRONMENT), ENVIRONMENT)
    if not given:
        return StoreAddress(sqlite_uri(folder.mlflow_store), "the run folder", folder.mlflow_artifacts)
    address = StoreAddress(given, origin, None)
    if not address.is_database:
        return address
    file = address.sqlite_file  # artifacts are beside it, or with the first run where the database is elsewhere
    artifacts = folder.mlflow_artifacts if file is None else file.with_name(f"{file.stem}-artifacts")
    return StoreAddress(given, origin, artifacts)


def against(base: Path, uri: str) -> str:
    """Return the address with the file of a SQLite store made absolute against ``base``."""
    scheme = _SQLITE.match(uri)
    path = uri[scheme.end() :] if scheme else ""
    if scheme is None or not path or path.startswith((":memory:", "/")):
        return uri
    file, question, query = path.partition("?")
    return f"{sqlite_uri(base / unquote(file)).replace(_PLAIN, scheme[0], 1)}{question}{query}"
