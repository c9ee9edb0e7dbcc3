"""Reads lists and tables: UTF-8 with or without a byte order mark, any line ending, all cells as text."""

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

# Python's limit of 131,072 characters per cell is process-wide; a caption or an embedding may be longer.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class TextTable:
    """The rows of a CSV file by column. Row 0 follows the header.

    ``lines``: the line on which each row begins, from 1; ``hint``: added to messages if the delimiter seems wrong.
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
            ValueError: no column of this name; the message suggests the nearest one.
        """
        if name not in self.columns:
            raise ValueError(f"{self.file}: no column {name!r}{self.hint or nearest(name, self.columns)}")
        return self.columns[name]

    def row(self, index: int) -> str:
        """Return the location of a row for messages: the file, and the line on which the row begins."""
        return f"{self.file}, line {self.lines[index]}"


def read_text(path: Path) -> str:
    """Return the text of a file with all line endings as line feeds.

    Raises:
        ValueError: the file is missing, or not UTF-8; the message gives file and line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    encoding = next((name for mark, name in _WIDE.items() if data.startswith(mark)), None)
    if encoding is None and data and (kind := foreign_kind(data)):
        raise ValueError(f"{path}: must be a text file, is {kind}")
    if encoding is None and b"\0" in data[:4096]:
        encoding = "UTF-16 without a byte order mark, or not text"
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
    """Return the lines of a file without line endings or trailing empty lines.

    Raises:
        ValueError: the file is missing, or not UTF-8.
    """
    return read_text(path).rstrip().split("\n")


def read_table(path: Path, delimiter: str = ",") -> TextTable:
    """Read a CSV file with a header; all cells are text, stripped of surrounding whitespace.

    A quoted cell may contain line breaks. Rows without values and columns without a name are left out.

    Raises:
        ValueError: the file is missing, not UTF-8 or empty, a column name occurs twice, or a row has the wrong number
            of cells; the message gives file, line and rule.
    """
    records = _records(path, delimiter)
    line, header = next(records, (1, []))
    if not header:
        raise ValueError(f"{path}: empty; expected the column names on the first line")
    hint = _other_delimiter(header, delimiter)
    if len(header) == 1 and hint:
        raise ValueError(f"{path}, line {line}: one column only, {header[0]!r}{hint}")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ValueError(f"{path}, line {line}: columns must have different names, {twice[0]!r} appears twice")
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
    """Yield the cells of each row that has a value, and the line on which it begins."""
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
    """Return a hint for a message if another character splits the header into more cells, else an empty text."""
    text = delimiter.join(header)
    best = max(_DELIMITERS, key=text.count)
    if best == delimiter or text.count(best) <= text.count(delimiter):
        return ""
    return (
        f"; the delimiter seems to be {best!r}, not {delimiter!r}: save the file with that, or (kind: table) "
        f"set data.source.delimiter: {json.dumps(best)}"
    )


def _quote_hint(cells: Sequence[str], header: Sequence[str]) -> str:
    return "; a cell that contains the delimiter must be quoted" if len(cells) > len(header) else ""


def refuse_duplicates(names: Sequence[str], where: Sequence[int], file: Path) -> None:
    """Check that each image is listed once.

    Args:
        names: of the images.
        where: the line of each, from 1.
        file: the list.

    Raises:
        ValueError: an image appears twice; the message gives both lines.
    """
    first: dict[str, int] = {}
    for name, line in zip(names, where, strict=True):
        if name in first:
            raise ValueError(f"{file}, line {line}: {name!r} is already listed on line {first[name]}; list it once")
        first[name] = line
