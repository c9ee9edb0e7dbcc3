"""The texts that mark a missing value, in text tables and in the text columns of Parquet files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

MISSING = ("", "nan", "NaN", "NAN", "NaT", "None", "null", "Null", "NULL", "N/A", "n/a", "#N/A", "<NA>")
"""What Python, pandas, R's CSV writers, SQL, JSON and spreadsheets write for a missing value.

``NA`` and ``none`` are not included: one is Namibia, the other a valid answer to "which glasses?".
"""


class MissingValues:
    """Distinguishes values from missing-value markers, and counts the markers found.

    Args:
        markers: texts that mark a missing value; an empty text always does.
    """

    def __init__(self, markers: Collection[str]) -> None:
        self._markers = frozenset({*markers, ""})
        self._met: Counter[str] = Counter()

    def values(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the texts that are values, stripped of surrounding whitespace."""
        found = []
        for text in texts:
            value = text.strip()
            if value not in self._markers:
                found.append(value)
            elif value:
                self._met[value] += 1
        return tuple(found)

    def refuse_as_value(self, task: str, value: str) -> None:
        """Check that the value of a task ``column=value`` is not a missing-value marker.

        Raises:
            ValueError: the value marks a missing value.
        """
        if value.strip() in self._markers:
            raise ValueError(
                f"data.tasks: {task!r}: {value!r} marks a missing value; remove it from data.source.missing to "
                "make it a value"
            )

    def note(self, column: str) -> str | None:
        """Return a sentence on the markers found so far, None if there were none."""
        if not self._met:
            return None
        words = ", ".join(f"{word!r} ({count:,})" for word, count in sorted(self._met.items()))
        return f"column {column!r}: {words} treated as missing; if this is a value, remove it from data.source.missing"
