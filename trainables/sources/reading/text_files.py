"""Lists and tables as text: UTF-8 with or without a byte order mark, any line ending, every cell kept as text."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.foundation.registry import nearest
from trainables.sources.reading.file_kinds import foreign_kind

_WIDE = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_DELIMITERS = (",", ";", "\t", "|")

# Python's own limit, 131,072 characters a cell, is the whole process's; a caption or an embedding may be longer.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class TextTable:
    """The rows of a CSV file by column. Row 0 follows the header.

    ``lines``: where in the file each row begins, from 1; ``hint``: what to say when it seems to be split wrongly.
    """

    file: Path
    columns: dict[str, list[str]]
    lines: tuple[int, ...]
    hint: str = ""

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        """Return a column.

        Raises:
            ValueError: there is none of this name; gives the nearest one.
        """
        if name not in self.columns:
            raise ValueError(f"{self.file}: no column {name!r}{self.hint or nearest(name, self.columns)}")
        return self.columns[name]

    def row(self, index: int) -> str:
        """Return how messages name a row: the file, and the line on which the row begins."""
        return f"{self.file}, line {self.lines[index]}"


def read_text(path: Path) -> str:
    """Return the text of a file, every end of a line as a line feed.

    Raises:
        ValueError: it is not there, or no UTF-8; names file and line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    encoding = next((name for mark, name in _WIDE.items() if data.startswith(mark)), None)
    if encoding is None and data and (kind := foreign_kind(data)):
        raise ValueError(f"{path}: must be a text file, is {kind}")
    if encoding is None and b"\0" in data[:4096]:
        encoding = "UTF-16 without a byte order mark, or no text"
    if encoding is not None:
        raise ValueError(f"{path}: must be text in UTF-8, is {encoding}; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: must be text in UTF-8, got byte 0x{data[error.start]:02x} ({error.reason}); "
            "save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file without their ends; empty lines at the end of the file are left out.

    Raises:
        ValueError: it is not there, or no UTF-8.
    """
    return read_text(path).rstrip().split("\n")


def read_table(path: Path, delimiter: str = ",") -> TextTable:
    """Return a CSV file with a header, all cells as text without the blanks around them.

    A quoted cell may hold line breaks. Lines without any value, and columns without a name, are left out.

    Raises:
        ValueError: not there, no UTF-8, an empty file, a column named twice, or a row with another number of cells;
            names file, line and rule.
    """
    records = _records(path, delimiter)
    line, header = next(records, (1, []))
    if not header:
        raise ValueError(f"{path}: empty; expected a first line with the names of the columns")
    hint = _other_delimiter(header, delimiter)
    if len(header) == 1 and hint:
        raise ValueError(f"{path}, line {line}: one column only, {header[0]!r}{hint}")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ValueError(f"{path}, line {line}: columns must have different names, {twice[0]!r} is there twice")
    lines, rows = [], []
    for line, cells in records:
        if len(cells) != len(header):
            rule = f"not a row of {len(header)} cells split by {delimiter!r}, as the header is: expected {len(header)}"
            raise ValueError(f"{path}, line {line}: {rule} cells, got {len(cells)}{hint or _quote_hint(cells, header)}")
        lines.append(line)
        rows.append(cells)
    if not rows:
        raise ValueError(f"{path}: no rows below the header")
    columns = {name: list(cells) for name, cells in zip(header, zip(*rows, strict=True), strict=True) if name}
    return TextTable(path, columns, tuple(lines), hint)


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of every row that holds any value, and the line on which it begins."""
    text = read_text(path)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = list(map(str.strip, next(reader)))
        except StopIteration:
            return
        except csv.Error as error:
            rule = f"a cell that begins with a quote must end with one, before the next {delimiter!r}"
            hint = _other_delimiter(text.split("\n", line)[line - 1].split(delimiter), delimiter)
            raise ValueError(f"{path}, line {line}: {rule} ({error}){hint}") from error
        if any(cells):
            yield line, cells
        line = reader.line_num + 1


def _other_delimiter(header: Sequence[str], delimiter: str) -> str:
    """Return the end of a message if another character splits the header into more cells; else nothing."""
    text = delimiter.join(header)
    best = max(_DELIMITERS, key=text.count)
    if best == delimiter or text.count(best) <= text.count(delimiter):
        return ""
    return (
        f"; its cells seem to be split by {best!r}, not by {delimiter!r}: save it with that, or (kind: table) "
        f"say data.source.delimiter: {json.dumps(best)}"
    )


def _quote_hint(cells: Sequence[str], header: Sequence[str]) -> str:
    return "; a cell that holds the delimiter must stand in quotes" if len(cells) > len(header) else ""


def refuse_duplicates(names: Sequence[str], where: Sequence[int], file: Path) -> None:
    """Check that every image is listed once.

    Args:
        names: of the images.
        where: the line of each, from 1.
        file: the list.

    Raises:
        ValueError: an image is there twice; names both lines.
    """
    first: dict[str, int] = {}
    for name, line in zip(names, where, strict=True):
        if name in first:
            raise ValueError(f"{file}, line {line}: {name!r} is listed already in line {first[name]}; once is the rule")
        first[name] = line
