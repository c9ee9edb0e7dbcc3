"""Opens Parquet files by their stored types, regardless of the writer's in-memory types.

Arrow-based writers record their own types in the footer (views, dictionaries, fixed-size lists, extensions), and Arrow
would convert columns back to them, or fail. Without that entry, columns have the types of the Parquet schema.
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
    """Open a file; reading it holds at most one row group in memory.

    Raises:
        ValueError: not a Parquet file.
    """
    try:
        # Pre-buffering, on by default, would read ahead all row groups and so hold the whole file in memory.
        return pq.ParquetFile(path, metadata=_metadata(path), pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def row_count(path: Path) -> int:
    """Return the number of rows of a file, from its footer.

    Raises:
        ValueError: not a Parquet file.
    """
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def read_columns(path: Path, columns: list[str]) -> Any:
    """Return whole columns as an Arrow table.

    Raises:
        ValueError: not a Parquet file, or damaged.
    """
    with open_parquet(path) as file:
        try:
            return file.read(columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: columns {columns} cannot be read: {error}") from error


def _metadata(path: Path) -> Any | None:
    """Return the footer without the writer's types, None if there is no footer (pyarrow then reports why)."""
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
    """Return the error for a file that is not readable as Parquet, with its actual kind if known."""
    try:
        with path.open("rb") as file:
            begin = file.read(1024)
    except OSError:
        return ValueError(f"{path}: cannot be read: {error}")
    kind = None if begin.startswith(_MAGIC) else foreign_kind(begin)
    return ValueError(f"{path}: not a readable Parquet file{f' but {kind}' if kind else ''}: {error}")
