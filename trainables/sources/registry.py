"""The kinds of image sources: an open registry, so that a new source is one file and one registration.

A kind is a ``SourceConfig``: its keys in the study file, and ``open``, which returns an ``ImageSource``
(``trainables.sources.source``). Built-in kinds are named by the place of their class, which is imported when a study
names the kind; other packages call ``register_source``, or name their class in the entry point group
``modstudy.sources``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import SerializeAsAny, ValidationError, ValidationInfo, WithJsonSchema, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from trainables.foundation.registry import Registry
from trainables.sources.source import SourceConfig

_BUILT_IN: dict[str, type[SourceConfig] | str] = {
    "generated": "trainables.sources.faces.source:GeneratedFaces",
    "parquet": "trainables.sources.parquet.source:ParquetImages",
    "celeba": "trainables.sources.celeba.source:CelebaImages",
    "zappos50k": "trainables.sources.zappos.source:Zappos50kImages",
    "table": "trainables.sources.table.source:TableImages",
}
SOURCES = Registry("kind of source", "data.source.kind", "modstudy.sources", _BUILT_IN)


def register_source(section: type[SourceConfig]) -> None:
    """Make a kind known by the default of its ``kind``.

    Raises:
        ValueError: the kind is taken by another class.

    Example:
        >>> from typing import Literal
        >>> class Sketches(SourceConfig):
        ...     "Images of one's own."
        ...     kind: Literal["sketches"] = "sketches"
        >>> register_source(Sketches)
        >>> source_section("sketches").__name__
        'Sketches'
    """
    SOURCES.register(str(section.model_fields["kind"].default), section)


def source_section(kind: str) -> type[SourceConfig]:
    """Return the class of a kind.

    Raises:
        ValueError: it is unknown; the message gives the nearest known kind.
    """
    return SOURCES.find(kind)


def detect_source(folder: Path) -> SourceConfig:
    """Return the source that a folder holds.

    Raises:
        ValueError: its files are laid out as no kind's.
    """
    SOURCES.discover()
    for kind in SOURCES:
        found = source_section(kind).detect(folder)
        if found is not None:
            return found
    raise ValueError(f"{folder}: holds data of no known kind; kinds: {', '.join(SOURCES)}")


def parse_source(value: Any, *, as_json: bool = False) -> SourceConfig:
    """Return the section that ``value`` (a mapping with ``kind``) describes.

    Args:
        value: keys and values.
        as_json: values come from JSON, where strict types still allow lists for tuples and text for paths.

    Raises:
        PydanticCustomError: no mapping, or of no known kind.
        ValidationError: keys or values are wrong; locations start with the kind, as in a tagged union.
    """
    if isinstance(value, SourceConfig):
        return value
    if not isinstance(value, dict):
        raise PydanticCustomError("dict_type", "Input should be a valid dictionary")
    if "kind" not in value:
        raise PydanticCustomError("union_tag_not_found", "Unable to extract tag using discriminator 'kind'")
    kind = str(value["kind"])
    try:
        section = source_section(kind)
    except ValueError as error:
        known = ", ".join(repr(name) for name in SOURCES)
        context = {"tag": kind, "expected_tags": known}
        raise PydanticCustomError("union_tag_invalid", "{tag} is none of {expected_tags}", context) from error
    try:
        if as_json:
            return section.model_validate_json(json.dumps(value), strict=True)
        return section.model_validate(value)
    except ValidationError as error:
        raise ValidationError.from_exception_data(error.title, [_below(kind, d) for d in error.errors()]) from error


def _below(kind: str, detail: Any) -> InitErrorDetails:
    return InitErrorDetails(
        type=detail["type"], loc=(kind, *detail["loc"]), input=detail["input"], ctx=detail.get("ctx", {})
    )


def _validate(value: Any, _handler: Any, info: ValidationInfo) -> SourceConfig:
    return parse_source(value, as_json=info.mode == "json")


Source = Annotated[SerializeAsAny[SourceConfig], WrapValidator(_validate), WithJsonSchema({"type": "object"})]
"""The type of ``data.source``: any registered kind, told apart by ``kind``."""
