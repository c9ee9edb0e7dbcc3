"""Parquet files as what they store, whatever in-memory types their writer had.

A writer from the Arrow world leaves its own types in the footer (views, dictionaries, lists of fixed size, extensions),
and Arrow would turn every column into them again, or fail to. Without that entry a column is what Parquet says of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.sources.reading.file_kinds import foreign_kind

_MAGIC = b"PAR1"
_TYPES_OF_THE_WRITER = b"ARROW:schema"
_PASSED_OVER = b"ARROW:unused"


def open_parquet(path: Path) -> Any:
    """Return a file opened for reading; one row group at a time is the most that reading it holds.

    Raises:
        ValueError: it is no Parquet file.
    """
    try:
        # Pre-buffering, on by default, would read all row groups ahead and so hold the whole file.
        return pq.ParquetFile(path, metadata=_metadata(path), pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def row_count(path: Path) -> int:
    """Return the rows of a file, from its footer.

    Raises:
        ValueError: it is no Parquet file.
    """
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def read_columns(path: Path, columns: list[str]) -> Any:
    """Return whole columns as an Arrow table.

    Raises:
        ValueError: it is no Parquet file, or damaged.
    """
    with open_parquet(path) as file:
        try:
            return file.read(columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: columns {columns} cannot be read: {error}") from error


def _metadata(path: Path) -> Any | None:
    """Return the footer without the writer's types, None where there is no footer to be found (pyarrow says why)."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - 8))
        tail = file.read(8)
        size = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or size > end - 12:
            return None
        file.seek(end - 8 - size)
        footer = file.read(size).replace(_TYPES_OF_THE_WRITER, _PASSED_OVER)
    return pq.read_metadata(pa.BufferReader(_MAGIC + footer + tail))


def _unreadable(path: Path, error: Exception) -> ValueError:
    """Return the error of a file that cannot be read as Parquet, with what it is instead where that can be told."""
    try:
        with path.open("rb") as file:
            begin = file.read(1024)
    except OSError:
        return ValueError(f"{path}: cannot be read: {error}")
    kind = None if begin.startswith(_MAGIC) else foreign_kind(begin)
    return ValueError(f"{path}: not a readable Parquet file{f' but {kind}' if kind else ''}: {error}")
