"""Lists and tables as text: UTF-8 with or without a byte order mark, either line ending, every cell kept as text."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from trainables.names import nearest

_WIDE = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


@dataclass(frozen=True)
class TextTable:
    """The rows of a CSV file by column. Row 0 follows the header."""

    file: Path
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> list[str]:
        """Return a column.

        Raises:
            ValueError: there is none of this name; gives the nearest one.
        """
        if name not in self.columns:
            raise ValueError(f"{self.file}: no column {name!r}{nearest(name, self.columns)}")
        return self.columns[name]

    def row(self, index: int) -> str:
        """Return how messages name a row: file and line, the header being line 1."""
        return f"{self.file}, line {index + 2}"


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        ValueError: it is not there, or no UTF-8; names file and line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    for mark, encoding in _WIDE.items():
        if data.startswith(mark):
            raise ValueError(f"{path}: must be text in UTF-8, is {encoding}; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: must be text in UTF-8, got byte 0x{data[error.start]:02x} ({error.reason})"
        ) from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file without their ends; empty lines at the end of the file are left out.

    Raises:
        ValueError: it is not there, or no UTF-8.
    """
    return [line.rstrip("\r") for line in read_text(path).rstrip().split("\n")]


def read_table(path: Path, delimiter: str = ",") -> TextTable:
    """Return a CSV file with a header, all cells as text without the blanks around them.

    Raises:
        ValueError: not there, no UTF-8, an empty file, a column named twice, or a row with another number of cells.
    """
    text = read_text(path)
    header = [name.strip() for name in next(csv.reader(text.splitlines()[:1], delimiter=delimiter), [])]
    if not any(header):
        raise ValueError(f"{path}: empty; expected a first line with the names of the columns")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ValueError(f"{path}, line 1: columns must have different names, {twice[0]!r} is there twice")
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(text.encode()),
            # Without threads a row of the wrong length is named with its number.
            pa_csv.ReadOptions(column_names=header, skip_rows=1, use_threads=False),
            pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        raise ValueError(f"{path}: not a table of {len(header)} columns split by {delimiter!r}: {error}") from error
    if not table.num_rows:
        raise ValueError(f"{path}: no rows below the header")
    return TextTable(path, {name: [cell.strip() for cell in table.column(name).to_pylist()] for name in header})


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
