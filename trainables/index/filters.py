"""Narrows a search by source or labels: ``Smiling=1``, ``source=shoes/*``, ``type!=boots``, ``colour=red|blue``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from trainables.foundation.registry import nearest
from trainables.index.errors import IndexFault
from trainables.index.stored.segments import LABEL, Mask

Filters: TypeAlias = "Mapping[str, str] | Sequence[str] | None"
"""Conditions that all must hold: texts such as ``Smiling=1``, or a mapping from column to patterns."""

_CONDITION = re.compile(r"(?P<column>[^=!]+)(?P<sign>!?=)(?P<patterns>.*)", re.DOTALL)
_PLACES = ("id", "source")
_MOST = 100


@dataclass(frozen=True)
class Condition:
    """A column whose text matches one of the patterns, in which ``*`` and ``?`` stand for anything; or none of them."""

    column: str
    patterns: tuple[str, ...]
    negated: bool = False

    def holds(self, table: Any) -> Mask:
        """Return for which rows of a table of images it holds; an image without the label has the text ``""``."""
        found = [self._matches(table, name) for name in self._columns(table)]
        matches = found[0] if found else pa.array([self._matches_text("")] * len(table), pa.bool_())
        for other in found[1:]:
            matches = pc.or_(matches, other)
        mask: Mask = matches.to_numpy(zero_copy_only=False)
        return ~mask if self.negated else mask

    def _columns(self, table: Any) -> list[str]:
        names = {"source": ("source", "id"), "id": ("id",)}.get(self.column, (LABEL + self.column,))
        return [name for name in names if name in table.column_names]

    def _matches(self, table: Any, name: str) -> Any:
        texts = pc.fill_null(table.column(name), "").dictionary_encode().combine_chunks()
        values = texts.dictionary.to_pylist()
        hits = pa.array([self._matches_text(value) for value in values], pa.bool_())
        return pc.take(hits, texts.indices) if len(values) else pa.array([], pa.bool_())

    def _matches_text(self, text: str) -> bool:
        return any(fnmatch.fnmatchcase(text, pattern) for pattern in self.patterns)


def parse_filters(where: Filters) -> tuple[Condition, ...]:
    """Return the conditions of a search.

    Raises:
        IndexFault: One is not of the form ``COLUMN=PATTERN``.
    """
    texts = (
        [f"{column}={patterns}" for column, patterns in where.items()] if isinstance(where, Mapping) else where or ()
    )
    if isinstance(texts, str):
        texts = [texts]
    return tuple(_parsed(text) for text in texts)


def check_columns(conditions: Sequence[Condition], known: set[str]) -> None:
    """Refuse a condition on labels that no image has.

    Raises:
        IndexFault: Names the nearest known label.
    """
    for condition in conditions:
        if condition.column not in known | set(_PLACES):
            raise IndexFault(
                f"where: unknown label {condition.column!r}{nearest(condition.column, known)}; known: source, id"
                + "".join(f", {name}" for name in sorted(known))
            )


def _parsed(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    patterns = tuple(found["patterns"].split("|")) if found else ()
    if found is None or not found["column"].strip() or len(text) > 10_000 or len(patterns) > _MOST:
        raise IndexFault(f"where: {text[:80]!r}: should be COLUMN=PATTERN or COLUMN!=PATTERN, such as Smiling=1")
    return Condition(found["column"].strip(), tuple(pattern.strip() for pattern in patterns), found["sign"] == "!=")
