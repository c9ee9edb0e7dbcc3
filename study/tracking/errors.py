"""What goes wrong with a store, in one line without secrets, told apart by whether trying again can help."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlflow.exceptions import MlflowException
from requests.exceptions import ConnectionError as NoConnectionError
from requests.exceptions import RetryError, SSLError, Timeout
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as DatabaseTimeoutError

from study.definition.secrets import redact
from study.definition.tracking_address import StoreAddress

FROM_THE_STORE = (MlflowException, SQLAlchemyError, OSError)
"""What MLflow and its drivers raise; errors of ``requests`` are ``OSError``."""

_LONGEST = 400


class StoreError(Exception):
    """Something is wrong with the store. The message is one line that names the store, and holds no secret."""


class StoreUnreachableError(StoreError):
    """Nobody answers, or only that it cannot be done now; the same call may succeed later."""


class BrokenOffError(StoreError):
    """Somebody wants no more requests to be made; nothing is wrong."""


class StoreRefusedError(StoreError):
    """The store answers and refuses; the same call will be refused again."""


class RunGoneError(StoreRefusedError):
    """A run that was there is deleted; looking again at what the store holds helps."""


class StoreConflictError(StoreRefusedError):
    """Somebody else wrote the same at the same moment. The database took everything back, so it may be tried again."""


_LOGIN_HELP = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment (a"
    " database: the whole address in MLFLOW_TRACKING_URI)"
)
_REFUSALS = {
    "UNAUTHENTICATED": f"does not accept the login: {_LOGIN_HELP}",
    "CUSTOMER_UNAUTHORIZED": f"does not accept the login: {_LOGIN_HELP}",
    "PERMISSION_DENIED": f"does not allow it: ask its administrator for write access, or {_LOGIN_HELP}",
    "ENDPOINT_NOT_FOUND": "is no MLflow server: correct the address",
}
_LATER = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED")
_UNTRUSTED = "does not show a certificate that is trusted here (MLFLOW_TRACKING_SERVER_CERT_PATH names others)"
_SILENT = (Timeout, NoConnectionError, RetryError)
_DATABASE = (OperationalError, InterfaceError, DatabaseTimeoutError)
_STATUS = re.compile(r"failed with error code (\d{3})|Error code: (\d{3})|too many (\d{3}) error responses")
_LOGIN_REFUSED = re.compile(
    r"(?i)authentication failed|access denied|no password supplied|login failed|pg_hba|role .* does not exist"
)
_AT_ONCE = re.compile(r"(IntegrityError|UniqueViolation|DeadlockDetected|SerializationFailure)\)")
"""What a server's answer quotes of its database; psycopg names the violation itself."""

_NEVER_OPENS = re.compile(
    r"(?i)unable to open database file|readonly database|not a database|database .* does not exist|no such file"
    r"|unknown database|permission denied|could not translate host name|name or service not known"
)


def explained(error: BaseException, address: StoreAddress) -> StoreError:
    """Return what an error of MLflow, SQLAlchemy or a driver means for the user of a study.

    Args:
        error: as it was raised; the errors it arose from are looked at too.
        address: of the store, named in the message.
    """
    causes, reason = list(_causes(error)), _reason(error)
    code, status = getattr(error, "error_code", None), _status(causes)
    if status in (401, 403):
        code = "UNAUTHENTICATED" if status == 401 else "PERMISSION_DENIED"
    if any(isinstance(cause, SSLError) for cause in causes):
        return _refused(address, f"{_UNTRUSTED}: {reason}")
    if any(isinstance(cause, _SILENT) for cause in causes) and status != 500:  # said of what cannot be stored, too
        return StoreUnreachableError(f"MLflow at {address.shown} cannot be reached: {reason}")
    if any(isinstance(cause, IntegrityError) or _AT_ONCE.search(str(cause)) for cause in causes):
        return StoreConflictError(f"MLflow at {address.shown} was written by somebody else as well: {reason}")
    if any(isinstance(cause, _DATABASE) for cause in causes) or code in _LATER or status in (429, 502, 503, 504):
        return _of_a_database(reason, address)
    return _of_a_call(error, code, reason, address)


def _of_a_call(error: BaseException, code: str | None, reason: str, address: StoreAddress) -> StoreError:
    if isinstance(error, OSError):
        return StoreUnreachableError(f"MLflow at {address.shown} cannot be written: {reason}")
    return _refused(address, f"{_REFUSALS[code]} ({reason})" if code in _REFUSALS else f"refuses: {reason}")


def _of_a_database(reason: str, address: StoreAddress) -> StoreError:
    if _LOGIN_REFUSED.search(reason):
        return _refused(address, f"does not accept the login: {_LOGIN_HELP} ({reason})")
    if _NEVER_OPENS.search(reason):
        return _refused(address, f"cannot be opened: {reason}; see {address.origin}")
    return StoreUnreachableError(f"MLflow at {address.shown} cannot be reached: {reason}")


def _refused(address: StoreAddress, what: str) -> StoreRefusedError:
    return StoreRefusedError(f"MLflow at {address.shown} {what}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it arose from, whether it was raised ``from`` that or while handling it."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and cause not in seen:
            seen.append(cause)
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "orig", None), *cause.args]


def _status(causes: list[BaseException]) -> int | None:
    """Return the HTTP status that is named in a message of MLflow."""
    for cause in causes:
        if found := _STATUS.search(str(cause)):
            return int(next(filter(None, found.groups())))
    return None


def _reason(error: BaseException) -> str:
    """Return the driver's own words where there are some, in one line and without secrets."""
    inner = next((cause.orig for cause in _causes(error) if isinstance(cause, DBAPIError) and cause.orig), error)
    text = " ".join(str(inner).split()) or type(inner).__name__
    text = text.rpartition("(Caused by ")[2].rstrip(")")  # of requests and urllib3 the innermost says what it is
    return redact(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
