"""Turns pydantic's findings about a study file into one sentence with the dotted key, the rule and the value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from study.definition.model import StudyDefinition
from study.definition.secrets import redact, redact_address
from trainables.foundation.registry import nearest
from trainables.sources.registry import SOURCES, source_section
from trainables.sources.source import SourceConfig

Location = Sequence[str | int]


def first_problem(error: ValidationError) -> str:
    """Return the first finding as ``key: rule, got value``, and how many more there are."""
    details = error.errors(include_url=False)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return _sentence(details[0]) + more


def _sentence(detail: ErrorDetails) -> str:
    models, key = _walk(detail["loc"])
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":  # raised by a validator of ours, which may name its own key
            return with_key(key, str(context["error"]))
        case "extra_forbidden":
            rule = f"unknown key{nearest(str(detail['loc'][-1]), sorted(_keys(models)))}"
        case "dict_type":
            rule = f"should be a mapping, got {_short(detail['input'])}"
        case "missing":
            rule = "missing; this key is required"
        case "union_tag_invalid":
            key, rule = f"{key}.kind", _unknown(context["tag"], context["expected_tags"])
        case "union_tag_not_found":
            key, rule = f"{key}.kind", "missing; this key is required"
        case "literal_error":
            rule = _unknown(detail["input"], context["expected"])
        case _:
            rule = f"{_rule(detail['msg'])}, got {_short(detail['input'])}"
    return f"{key}: {rule}"


def _unknown(value: Any, expected: str) -> str:
    """Describe a word that is none of the quoted ones in ``expected``."""
    known = re.findall(r"'([^']*)'", expected)
    return f"unknown value {_short(value)}{nearest(str(value), sorted(known))}"


def _rule(message: str) -> str:
    """Return pydantic's rule in the words of YAML rather than of JSON."""
    message = re.sub(r"^(Input|String) ", "", message)
    for theirs, ours in (("an object", "a mapping"), ("a valid array", "a list"), ("a valid string", "text")):
        message = message.replace(theirs, ours)
    return message


def with_key(key: str, message: str) -> str:
    """Put ``key`` before a message, unless the message starts with a dotted key of the study file already."""
    sections = "|".join(StudyDefinition.model_fields)
    return message if not key or re.match(rf"({sections})[.:\[]", message) else f"{key}: {message}"


def _walk(location: Location) -> tuple[type[BaseModel] | None, str]:
    """Follow a location down the models; return the last section on the way and the key as written in the file.

    Where a section is one of several kinds, pydantic puts the kind into the location; the file has no such key.
    """
    model: type[BaseModel] | None = StudyDefinition
    kinds: dict[str, type[BaseModel]] = {}
    last, key = model, ""
    for part in location:
        if part in kinds:
            last = model = kinds[str(part)]
            kinds = {}
            continue
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
        field = model.model_fields.get(str(part)) if model is not None else None
        sections = _sections(field.annotation) if field is not None else []
        several = len(sections) > 1 or sections == [SourceConfig]
        kinds = {kind: section for section in sections for kind, section in kinds_of(section).items() if several}
        model = sections[0] if len(sections) == 1 and not several else None
        last = model or last
    return last, key


def kinds_of(section: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the kinds of a section by name: itself, or all registered sources where any may stand."""
    if section is SourceConfig:
        return {kind: source_section(kind) for kind in SOURCES}
    return {str(section.model_fields["kind"].default): section} if "kind" in section.model_fields else {}


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections(argument)]


def _keys(model: type[BaseModel] | None) -> list[str]:
    return list(model.model_fields) if model is not None else []


def _short(value: Any) -> str:
    text = redact(repr(redact_address(value) if isinstance(value, str) and "://" in value else value))
    return text if len(text) <= 80 else f"{text[:77]}..."
