"""Which texts stand for "no value", in tables of text and in the text columns of Parquet files alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

MISSING = ("", "nan", "NaN", "NAN", "NaT", "None", "null", "Null", "NULL", "N/A", "n/a", "#N/A", "<NA>")
"""What Python, pandas, R's CSV writers, SQL, JSON and spreadsheets write where there is nothing.

``NA`` and ``none`` are not among them: one is Namibia, the other the answer to "which glasses?".
"""


class MissingValues:
    """Tells values from their absence, and counts the words it took for absence.

    Args:
        markers: texts that stand for "no value"; an empty text always does.
    """

    def __init__(self, markers: Collection[str]) -> None:
        self._markers = frozenset({*markers, ""})
        self._met: Counter[str] = Counter()

    def values(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the texts that are values, without the blanks around them."""
        found = []
        for text in texts:
            value = text.strip()
            if value not in self._markers:
                found.append(value)
            elif value:
                self._met[value] += 1
        return tuple(found)

    def refuse_as_value(self, task: str, value: str) -> None:
        """Check that a task ``column=value`` does not ask for a value that there cannot be.

        Raises:
            ValueError: the value stands for a missing one.
        """
        if value.strip() in self._markers:
            raise ValueError(
                f"data.tasks: {task!r}: {value!r} stands for a missing value; data.source.missing without it makes it "
                "a value"
            )

    def note(self, column: str) -> str | None:
        """Return a sentence on the words met so far in place of values, None where there was none."""
        if not self._met:
            return None
        words = ", ".join(f"{word!r} ({count:,})" for word, count in sorted(self._met.items()))
        return (
            f"column {column!r}: {words} taken for a missing value; if it is one, "
            "data.source.missing lists what stands for none"
        )
