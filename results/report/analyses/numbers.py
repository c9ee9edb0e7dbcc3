"""A table that Markdown and page share."""

from __future__ import annotations

from dataclasses import dataclass

from results.report.markdown import escape, table


@dataclass(frozen=True)
class Numbers:
    """A table of plain texts, and what it says in sentences."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def numbers_section(numbers: Numbers) -> str:
    """Return a table as Markdown."""
    return "\n\n".join([table(numbers.header, numbers.rows), escape(" ".join(numbers.notes))])
