"""Markdown from plain text: output of a study is shown literally, never interpreted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from results.plain_text import visible

_SPECIAL = re.compile(
    r"[\\`*|~$]"  # code, emphasis, cells, strike-through, formulas
    r"|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"  # emphasis, which never starts or ends inside a word
    r"|\](?=[(\[:])"  # links: without this bracket there are none
    r"|:(?=//)|(?<=[Ww]{3})\."  # addresses that GitHub makes links of
)
_AT_LINE_START = re.compile(r"^(?:[#=\[]|[-+](?!\d)|\d{1,9}(?=[.)](?:\s|$)))")
"""Headings, underlines, boxes, lists; in an ordered list, the mark after the number is escaped."""
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """Return text on one line without special meaning in Markdown or HTML; runs of spaces become one.

    Line breaks and other control characters count as spaces; other invisible characters are shown as escapes.
    """
    return _AT_LINE_START.sub(_escape_start, _inline(text))


def _escape_start(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def _inline(text: str) -> str:
    """Escape characters that are special anywhere in a line."""
    line = _SPECIAL.sub(r"\\\g<0>", visible(_CONTROL.sub(" ", text).strip()))
    return "".join(_ENTITIES.get(character, character) for character in line)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of plain texts; the first column is aligned left, the others right."""
    alignment = [":---", *["---:"] * (len(header) - 1)]
    lines = [[_inline(name) for name in header], alignment, *([_inline(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """Return a list of plain texts."""
    return "\n".join(f"- {escape(item)}" for item in items)


def code_block(lines: Iterable[str]) -> str:
    """Return plain lines as a code block that none of them can close."""
    text = "\n".join(map(visible, lines))
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
