"""Passwords and tokens in addresses: detected, refused in files, removed, and never shown.

An address such as ``postgresql://user:secret@host/db?sslpassword=secret`` may hold secrets before the ``@`` and in
the query. Free text (a message of a driver, a traceback) may hold such an address, or a secret from the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote_plus

HIDDEN = "***"

_WORDS = r"password|passwd|passphrase|secret|token|(?:api|access|private|secret)[_-]?key"
_SECRET_NAME = re.compile(
    rf"(?i){_WORDS}|pwd|credential|signature|passcode|jwt|bearer|(?:^|[_-])pass$|^(?:sig|auth|key)$"
)
_SECRET_INSIDE = re.compile(rf"(?i)(?:{_WORDS}|pwd)\s*=\s*[^;\s]")  # of an ODBC connection text, say
_SECRET_VARIABLE = re.compile(rf"(?i)(?:{_WORDS})$|^MYSQL_PWD$")
_LOGIN_IN_TEXT = re.compile(r"(?P<scheme>\b[A-Za-z][\w+.\-]*://)(?P<login>[^\s/]\S*)@")
_SCHEME = r"(?:[A-Za-z][\w+.\-]*:)?//"
_LOGIN = re.compile(rf"\A(?P<scheme>{_SCHEME}|(?!{_SCHEME}))(?P<login>[^/].*)@", re.DOTALL)
"""For a standalone address, whose password may contain any character and whose scheme may be missing."""

_HOST = re.compile(r"(?:\[[^\]/]*\]|[^:/]*)(?::\d*)?/")
_PARAMETER = re.compile(r"(?P<before>[?&;#])(?P<name>[^=&;?#\s\"']+)=(?P<value>[^&;#\s\"']*)")
_WEB = re.compile(r"(?i)https?://")
_SHORTEST = 4
"""Shorter values of environment variables are not searched for in texts, since they may occur as words."""


def holds_secret(address: str) -> bool:
    """Return whether an address contains a password, a token, or, for a web address, any login."""
    return without_secrets(address) != address


def without_secrets(address: str) -> str:
    """Return an address without its secrets: a database keeps the user's name, a web address no login."""
    address = _LOGIN.sub(_without_login, address)
    kept = _PARAMETER.sub(lambda found: found["before"] if _is_secret(found) else found[0], address)
    return kept if kept == address else re.sub(r"[?&;#]+$", "", re.sub(r"([?&;])[&;]+", r"\1", kept))


def redact(text: str) -> str:
    """Return a text with every secret replaced by three asterisks: those in addresses and in the environment."""
    return _without_parameters_and_environment(_LOGIN_IN_TEXT.sub(_hidden_login, text))


def redact_address(address: str) -> str:
    """Return an address with every secret replaced by three asterisks, for any characters."""
    return _without_parameters_and_environment(_LOGIN.sub(_hidden_login, address))


def _without_parameters_and_environment(text: str) -> str:
    text = _PARAMETER.sub(
        lambda found: f"{found['before']}{found['name']}={HIDDEN}" if _is_secret(found) else found[0], text
    )
    for secret in sorted(_of_the_environment(), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return text


def _login_and_path(found: re.Match[str]) -> bool:
    """Whether the ``@`` belongs to the path of a web address that has no login."""
    return bool(_WEB.match(found["scheme"])) and bool(_HOST.match(found["login"]))


def _without_login(found: re.Match[str]) -> str:
    if _login_and_path(found):
        return found[0]
    user, colon, _ = found["login"].partition(":")
    if _WEB.match(found["scheme"]):
        return found["scheme"]
    return f"{found['scheme']}{user}@" if colon else found[0]


def _hidden_login(found: re.Match[str]) -> str:
    if _login_and_path(found):
        return found[0]
    user, colon, _ = found["login"].partition(":")
    if colon:
        return f"{found['scheme']}{user}:{HIDDEN}@"
    return f"{found['scheme']}{HIDDEN}@" if _WEB.match(found["scheme"]) else found[0]


def _is_secret(found: re.Match[str]) -> bool:
    name, value = unquote_plus(found["name"]), unquote_plus(found["value"])
    return bool(value) and bool(_SECRET_NAME.search(name) or _SECRET_INSIDE.search(value))


def _of_the_environment() -> Iterator[str]:
    """Yield every form in which a secret of the environment may be written."""
    for name, value in os.environ.items():
        if _SECRET_VARIABLE.search(name):
            yield from _spellings(value)
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if login := _LOGIN.match(address):
        yield from _spellings(login["login"].partition(":")[2])
    for parameter in _PARAMETER.finditer(address):
        if _is_secret(parameter):
            yield from _spellings(parameter["value"])


def _spellings(secret: str) -> Iterator[str]:
    plain = unquote_plus(secret)
    for spelling in {secret, plain, quote(plain, safe=""), quote_plus(plain), repr(plain)[1:-1]}:
        if len(spelling) >= _SHORTEST:
            yield spelling
