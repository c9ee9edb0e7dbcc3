"""Rows of the last collect, taken from its tables, so that a collect reads only journals that have changed.

``tables.index`` in the run folder names, trial by trial, a digest of what the rows were made from and their number,
and a digest of each file. It is a cache: tables that are not to the byte those that it names, or an index that is
damaged or of other code, count for nothing, and the rows are made from the journals again. So processes may collect at
once or be killed at any moment, and deleting the file changes nothing but the time of the next collect.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import BufferedReader
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

import results.tables
import study.journal
from results.tables.files import digest_of
from results.tables.schema import SCHEMAS
from results.tables.store import table_path
from study.journal.index import code_digest
from study.layout import RunFolder
from trainables.foundation.files import write_atomically


@dataclass(frozen=True, slots=True)
class NotedTrial:
    """A trial whose rows are in tables: a digest of what they were made from, and their number by table."""

    trial_id: str
    made_from: str
    rows: dict[str, int]


@dataclass(frozen=True)
class _Index:
    """The content of the file: tables by name with the digests of their files, and their trials in order."""

    files: dict[str, str]
    trials: list[NotedTrial]


_INDEX: TypeAdapter[_Index] = TypeAdapter(_Index)


class _Rows:
    """Rows of an open Parquet file by their numbers; those asked for together should lie together."""

    def __init__(self, file: BufferedReader, name: str) -> None:
        self._schema = SCHEMAS[name]
        self._file = pq.ParquetFile(file, page_checksum_verification=True)
        sizes = (self._file.metadata.row_group(n).num_rows for n in range(self._file.num_row_groups))
        self._starts = list(accumulate(sizes, initial=0))
        self._group: tuple[int, pa.Table] | None = None

    def between(self, start: int, end: int) -> pa.Table:
        """Return the rows from ``start`` up to ``end``."""
        found = [self._schema.empty_table()]
        for number, (first, after) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            if first < end and start < after:
                inside = max(start, first) - first
                found.append(self._read(number).slice(inside, min(end, after) - first - inside))
        return pa.concat_tables(found)

    def _read(self, number: int) -> pa.Table:
        if self._group is None or self._group[0] != number:
            self._group = None  # its memory goes before that of the next one comes
            table = self._file.read_row_group(number).replace_schema_metadata(self._schema.metadata)
            self._group = number, table
        return self._group[1]


class EarlierRows:
    """The rows of the last collect; none of them, where it cannot be trusted.

    Args:
        trials: in the order of the tables.
        files: an open file for every table.
    """

    def __init__(self, trials: Sequence[NotedTrial] = (), files: Mapping[str, BufferedReader] | None = None) -> None:
        self._trials = {trial.trial_id: trial for trial in trials}
        self._rows = {name: _Rows(file, name) for name, file in (files or {}).items()}
        self._starts = {
            name: dict(zip(self._trials, accumulate((t.rows[name] for t in trials), initial=0), strict=False))
            for name in self._rows
        }

    def knows(self, trial_id: str, made_from: str) -> bool:
        """Return whether the rows of a trial are here and were made from just this."""
        return trial_id in self._trials and self._trials[trial_id].made_from == made_from

    def noted(self, trial_id: str) -> NotedTrial:
        """Return what is noted of a trial that is known."""
        return self._trials[trial_id]

    def rows(self, name: str, trials: Iterable[NotedTrial]) -> pa.Table:
        """Return the rows of trials that are known."""
        places: list[tuple[int, int]] = []
        for trial in trials:
            start = self._starts[name][trial.trial_id]
            end = start + trial.rows[name]
            if places and places[-1][1] == start:
                places[-1] = places[-1][0], end
            else:
                places.append((start, end))
        return pa.concat_tables([self._rows[name].between(start, end) for start, end in places])


@contextmanager
def earlier_rows(folder: RunFolder, names: Collection[str]) -> Iterator[EarlierRows]:
    """Yield the rows of the last collect of a run; what replaces its tables meanwhile changes nothing.

    Args:
        folder: of the run.
        names: of the tables of which rows are wanted.
    """
    with ExitStack() as stack:
        index = _load(folder.table_index)
        files = {name: _opened(stack, table_path(folder.tables, name), index.files.get(name)) for name in names}
        whole = {name: file for name, file in files.items() if file is not None}
        yield EarlierRows(index.trials, whole) if whole.keys() == files.keys() else EarlierRows()


def note_rows(folder: RunFolder, trials: Sequence[NotedTrial], files: Mapping[str, str]) -> None:
    """Note which rows are in the tables of a run.

    Args:
        folder: of the run.
        trials: in the order of the tables.
        files: digests of the files by table.
    """
    content = _INDEX.dump_json(_Index(dict(files), list(trials)))
    whole = _seal(content) + b"\n" + content
    with suppress(OSError):  # whoever cannot write does without
        write_atomically(folder.table_index, lambda file: file.write(whole), writer=str(os.getpid()))


def _opened(stack: ExitStack, path: Path, digest: str | None) -> BufferedReader | None:
    """Return a table as it is now, open until the stack ends; None if there is none, or another one."""
    if digest is None:
        return None
    with suppress(OSError):
        file = stack.enter_context(path.open("rb"))
        if digest_of(file) == digest:
            file.seek(0)
            return file
    return None


def _load(path: Path) -> _Index:
    """Return what is noted; nothing where it is damaged or of other code."""
    with suppress(OSError, ValueError):
        seal, _, content = path.read_bytes().partition(b"\n")
        if seal == _seal(content):
            return _INDEX.validate_json(content)
    return _Index({}, [])


def _seal(content: bytes) -> bytes:
    """Return a digest of the content and of the code that makes rows and files."""
    return hashlib.blake2b(content, digest_size=16, key=_form()).hexdigest().encode()


@cache
def _form() -> bytes:
    code = code_digest(Path(__file__).parent, *map(Path, (*study.journal.__path__, *results.tables.__path__)))
    return f"{code} {pa.__version__}".encode()
