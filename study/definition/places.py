"""Where in a study file a finding of pydantic is: its dotted key as written there, and the keys known in that place."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from search_spaces.level import ByName
from study.definition.model import StudyDefinition
from trainables.sources.registry import SOURCES, source_section
from trainables.sources.source import SourceConfig

Location = Sequence[str | int]


@dataclass(frozen=True)
class Place:
    """A dotted key, and the names that its section or mapping knows; none where it takes any."""

    key: str
    known: tuple[str, ...]


def place_of(location: Location) -> Place:
    """Follow a location down the types of ``StudyDefinition``.

    Where a value is one of several kinds, pydantic puts the kind into the location; the file has no such key.
    """
    here: Any = StudyDefinition
    key, known = "", tuple[str, ...]()
    for part in location:
        kind, rules = _bare(here)
        if isinstance(part, int):
            key, here = f"{key}[{part}]", _element(kind)
            continue
        while get_origin(kind) in (tuple, list):  # one level written without a list
            kind, rules = _bare(_element(kind))
        kinds = _kinds(kind)
        if part in kinds:
            here = kinds[part]
            continue
        inside = _inside(kind, rules)
        known, key = tuple(inside), f"{key}.{part}" if key else part
        here = inside.get(part, get_args(kind)[1] if get_origin(kind) is dict else None)
    return Place(key, known)


def _bare(annotation: Any) -> tuple[Any, list[Any]]:
    """Return a type without ``Annotated`` and ``| None``, and what was annotated."""
    rules: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            rules += more
            continue
        members = [member for member in _union(annotation) if member is not type(None)]
        if len(members) != 1:
            return annotation, rules
        annotation = members[0]


def _union(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()


def _element(annotation: Any) -> Any:
    return next(iter(get_args(annotation)), None)


def _kinds(annotation: Any) -> dict[str, Any]:
    """Return the members of a union by what pydantic puts into locations; all registered sources where any may be."""
    if annotation is SourceConfig:
        return {kind: source_section(kind) for kind in SOURCES}
    kinds: dict[str, Any] = {}
    for member in _union(annotation):
        model, rules = _bare(member)
        tags = [rule.tag for rule in rules if isinstance(rule, Tag)]
        if not tags and _is_model(model) and "kind" in model.model_fields:
            tags = [str(model.model_fields["kind"].default)]
        kinds |= dict.fromkeys(tags, member)
    return kinds


def _inside(annotation: Any, rules: list[Any]) -> Mapping[str, Any]:
    """Return the types of what a section or a mapping with fixed names holds."""
    if _is_model(annotation):
        return {
            name: Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            for name, field in annotation.model_fields.items()
        }
    return next((rule.types for rule in rules if isinstance(rule, ByName)), {})


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
