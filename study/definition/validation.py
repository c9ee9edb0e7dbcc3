"""Turns errors about a study file into one sentence with the file, the dotted key, the rule and the value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from study.definition.model import NAME_PATTERN, StudyDefinition
from study.definition.places import place_of
from study.definition.secrets import redact, redact_address
from study.errors import UserError
from trainables.config.network import CONTENT_PATTERN
from trainables.foundation.registry import nearest

_PATTERNS = {
    NAME_PATTERN: "be lower-case letters, digits, '.', '_' and '-', the first a letter or a digit",
    CONTENT_PATTERN: "be 32 hexadecimal digits",
}
"""What a value that has to match a regular expression should be, in words."""


def first_problem(error: ValidationError) -> str:
    """Return the first error as ``key: rule, got value``, and the number of further ones."""
    details = error.errors(include_url=False)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return _sentence(_telling(details)) + more


def _telling(details: Sequence[ErrorDetails]) -> ErrorDetails:
    """Return the first finding; where a key is missing because it is misspelled, the misspelled one."""
    first = details[0]
    if first["type"] != "missing":
        return first
    *section, missing = first["loc"]
    beside = (d for d in details if d["type"] == "extra_forbidden" and list(d["loc"][:-1]) == section)
    return next((d for d in beside if nearest(str(d["loc"][-1]), [str(missing)]).startswith("; did you mean")), first)


@contextmanager
def error_context(key: str | None = None, *, file: str | Path | None = None) -> Iterator[None]:
    """Say which file and which key an error raised inside is about.

    Args:
        key: of the study file; with it a leaf's ``ValueError`` becomes a ``UserError`` that starts with the key, unless
            its message starts with one already. Empty: the message names its own place. None: a ``ValueError`` passes.
        file: put before the message of every ``UserError``.

    Raises:
        UserError: with file and key in front.
    """
    try:
        yield
    except UserError as error:
        if file is None:
            raise
        raise UserError(f"{file}: {error}") from error
    except ValueError as error:
        if key is None:
            raise
        message = first_problem(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        raise UserError("".join((f"{file}: " if file else "", _with_key(key, message)))) from error


def _sentence(detail: ErrorDetails) -> str:
    place = place_of(detail["loc"])
    key = place.key
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":  # raised by a validator of ours, which may name its own key
            return _with_key(key, str(context["error"]))
        case "extra_forbidden":
            rule = f"unknown key{nearest(str(detail['loc'][-1]), sorted(place.known))}"
        case "dict_type":
            rule = f"should be a mapping, got {_short(detail['input'])}"
        case "missing":
            rule = "missing; this key is required"
        case "union_tag_invalid":
            key, rule = f"{key}.kind", _unknown(context["tag"], context["expected_tags"])
        case "union_tag_not_found":
            key, rule = f"{key}.kind", "missing; this key is required"
        case "too_short" | "too_long":
            bound, number = ("least", "min_length") if detail["type"] == "too_short" else ("most", "max_length")
            entries = f"{context[number]} {'entry' if context[number] == 1 else 'entries'}"
            rule = f"should have at {bound} {entries}, got {_short(detail['input'])}"
        case "string_pattern_mismatch":
            rule = f"{_in_words(context['pattern'])}, got {_short(detail['input'])}"
        case "literal_error":
            rule = _unknown(detail["input"], context["expected"])
        case _:
            rule = f"{_rule(detail['msg'])}, got {_short(detail['input'])}"
    return f"{key}: {rule}"


def _in_words(pattern: str) -> str:
    return f"should {_PATTERNS.get(pattern, f'match pattern {pattern!r}')}"


def _unknown(value: Any, expected: str) -> str:
    """Describe a word that is not among the quoted ones in ``expected``."""
    known = re.findall(r"'([^']*)'", expected)
    return f"unknown value {_short(value)}{nearest(str(value), sorted(known))}"


def _rule(message: str) -> str:
    """Return pydantic's rule in YAML terms instead of JSON terms."""
    message = re.sub(r"^(Input|String) ", "", message)
    for theirs, ours in (
        ("an object", "a mapping"),
        ("a valid array", "a list"),
        ("a valid tuple", "a list"),
        ("a valid string", "text"),
        ("a valid dictionary or instance of Block", "a mapping"),
    ):
        message = message.replace(theirs, ours)
    return message


def _with_key(key: str, message: str) -> str:
    """Prefix a message with ``key``, unless it already starts with a dotted key of the study file."""
    sections = "|".join(StudyDefinition.model_fields)
    return message if not key or re.match(rf"({sections})[.:\[]", message) else f"{key}: {message}"


def _short(value: Any) -> str:
    text = redact(repr(redact_address(value) if isinstance(value, str) and "://" in value else value))
    return text if len(text) <= 80 else f"{text[:77]}..."
