"""Writing tables as Parquet, long ones part by part: schema checked, then renamed when all of them are whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from results.tables.files import digest_of, replacing
from results.tables.schema import SCHEMAS, TABLES
from results.tables.store import Rows, arrow_table, table_path

_ROWS_IN_MEMORY = 2**17
"""Rows after which a part of a file (a row group) is written; they alone decide where it is divided."""


def write_tables(folder: Path, tables: Mapping[str, Rows]) -> tuple[Path, ...]:
    """Check all tables, then write each as ``<folder>/<name>.parquet``.

    Nothing is written if any table violates its schema, and a file is replaced only once its successor is complete
    on disk. Nullable columns may be omitted. The study's name goes into the metadata of every file.

    Raises:
        ValueError: A table, column or value violates the schema, or the rows belong to several studies.
    """
    with writing_tables(folder) as writer:
        for name, rows in tables.items():
            writer.add(name, rows)
    return tuple(table_path(folder, name) for name in tables)


@contextmanager
def writing_tables(folder: Path) -> Iterator[TablesWriter]:
    """Yield a writer of one study's tables; they appear in the folder when the block ends, and not if it fails.

    Equal rows, added in whatever portions, give equal bytes, of which the writer has digests then.
    """
    with ExitStack() as files:
        writer = TablesWriter(folder, files)
        with writer:
            yield writer
            writer.finish()


class TablesWriter:
    """Writes tables under temporary names; made by ``writing_tables``.

    Attributes:
        digests: of the files by table, once all of them are whole.
    """

    def __init__(self, folder: Path, files: ExitStack) -> None:
        self.digests: dict[str, str] = {}
        self._folder = folder
        self._files = files
        self._waiting: dict[str, list[pa.Table]] = {}
        self._open: dict[str, pq.ParquetWriter] = {}
        self._paths: dict[str, Path] = {}
        self._studies: set[str] = set()
        self._keys: defaultdict[str, set[str]] = defaultdict(set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def add(self, name: str, rows: Rows) -> None:
        """Add rows to a table; all those with the same first column of its key must come at once.

        Raises:
            ValueError: A column or value violates the schema, or the rows belong to several studies.
        """
        table = arrow_table(name, rows)
        self._studies |= set(table["study"].unique().to_pylist())
        if len(self._studies) > 1:
            names = ", ".join(sorted(self._studies))
            raise ValueError(f"the tables of one folder must belong to one study, got rows of {names}")
        self._refuse_known_keys(name, table)
        waiting = self._waiting.setdefault(name, [])
        waiting.append(table)
        if sum(map(len, waiting)) >= _ROWS_IN_MEMORY:
            self._write(name, rest=False)

    def finish(self) -> None:
        """Write what is still in memory; an empty table becomes a file, too."""
        for name in self._waiting:
            self._write(name, rest=True)
            self._open[name].close()
            with self._paths[name].open("rb") as file:
                self.digests[name] = digest_of(file)

    def _refuse_known_keys(self, name: str, table: pa.Table) -> None:
        if not TABLES[name].key:
            return
        column = TABLES[name].key[0]
        keys = set(table[column].unique().to_pylist())
        if double := keys & self._keys[name]:
            raise ValueError(f"table {name}: rows with {column}={min(double)!r} were added before")
        self._keys[name] |= keys

    def _write(self, name: str, *, rest: bool) -> None:
        """Write whole row groups, and the rest as well where it is the last."""
        table = pa.concat_tables(self._waiting[name])
        whole = len(table) if rest else len(table) - len(table) % _ROWS_IN_MEMORY
        self._waiting[name] = [table.slice(whole)]
        file = self._file(name)
        for start in range(0, whole, _ROWS_IN_MEMORY):
            part = table.slice(start, min(_ROWS_IN_MEMORY, whole - start)).combine_chunks()
            file.write_table(part, row_group_size=_ROWS_IN_MEMORY)

    def _file(self, name: str) -> pq.ParquetWriter:
        if name not in self._open:
            schema = SCHEMAS[name]
            named = schema.with_metadata({**schema.metadata, b"study": "".join(self._studies).encode()})
            self._paths[name] = temporary = self._files.enter_context(replacing(table_path(self._folder, name)))
            self._open[name] = pq.ParquetWriter(temporary, named, compression="zstd", write_page_checksum=True)
        return self._open[name]
