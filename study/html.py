"""Tables for notebooks. All text is escaped: names come from users and their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from results.plain_text import visible


def html_table(rows: Sequence[Mapping[str, str]], title: str, notes: Iterable[str] = ()) -> str:
    """Return rows of equal keys as a table below a title, with a line a note below it."""
    heads = "".join(f"<th>{_safe(head)}</th>" for head in (rows[0] if rows else ()))
    body = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row.values())}</tr>" for row in rows)
    below = "".join(f"<div>{_safe(note)}</div>" for note in notes)
    return f"<div><b>{_safe(title)}</b></div><table><tr>{heads}</tr>{body}</table>{below}"


def _safe(text: str) -> str:
    return escape(visible(text))
