"""Images of your own: any folder of image files, and a CSV file with a row an image and a column a task."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from trainables.config.trial import DataConfig
from trainables.foundation.section import Section
from trainables.sources.reading.cells import CellKind, MultiValued, plain_number
from trainables.sources.reading.image_files import FolderFiles
from trainables.sources.reading.listing import ListedSource
from trainables.sources.reading.missing import MISSING
from trainables.sources.reading.own_split import SHARES
from trainables.sources.reading.text_files import TextTable, read_table
from trainables.sources.registry import SourceConfig
from trainables.sources.table.columns import delimiter_of, image_columns, images_folder, split_column


class TableLabel(Section):
    """How the cells of one column become classes.

    ``class``: every value a class. ``multi_label``: values split by ``separator``, taken as ``multi_valued`` says, or
    one by one as binary tasks ``column=value``. ``ordinal``: classes in the order of ``order``, or else of the numbers
    they are, joined between the edges ``bins`` where given.
    """

    kind: CellKind = "class"
    separator: str = Field(";", min_length=1)
    multi_valued: MultiValued = "combination"
    order: tuple[str, ...] = ()
    bins: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _order_fits(self) -> TableLabel:
        if (self.order or self.bins) and self.kind != "ordinal":
            raise ValueError(f"order and bins are for kind 'ordinal', got kind {self.kind!r}")
        if self.order and self.bins:
            raise ValueError("order and bins exclude each other")
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError(f"bins must be rising edges, got {list(self.bins)}")
        if len(set(map(_as_number, self.order))) != len(self.order):
            raise ValueError(f"the values of order must be distinct, also as numbers, got {list(self.order)}")
        return self


def _as_number(text: str) -> float | str:
    try:
        return plain_number(text)
    except ValueError:
        return text


class TableImages(SourceConfig):
    """A CSV file (UTF-8, with a header) beside images.

    Image paths are relative to ``images``, or else to the file's folder, and must stay inside. ``split_column`` holds
    train, validation (val, valid, dev) or test; empty takes a column called ``split`` if there is one, and else draws
    ``shares`` with ``data_seed``, whole groups of ``group_column`` at a time.
    """

    kind: Literal["table"] = "table"
    path: Path
    images: Path | None = None
    image_column: str = "image"
    split_column: str | None = None
    group_column: str | None = None
    shares: tuple[float, float, float] = SHARES
    delimiter: str = ","
    missing: tuple[str, ...] = MISSING
    labels: dict[str, TableLabel] = Field(default_factory=dict)

    @field_validator("delimiter")
    @classmethod
    def _delimiter_can_split(cls, delimiter: str) -> str:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            rule = 'must be one character, no quote and no line break (a tab is "\\t", in double quotes)'
            raise ValueError(f"{rule}, got {delimiter!r}")
        return delimiter

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> TableImages:
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError(f"shares must be three positive numbers that sum to 1, got {list(self.shares)}")
        return self

    @property
    def folder(self) -> Path:
        """Where the images lie."""
        return self.path.parent if self.images is None else self.images

    def open(self, data: DataConfig, data_seed: int, cache: Path | None) -> ListedSource:
        """Return the images of the table."""
        from trainables.sources.table.rows import read_rows

        if not self.folder.is_dir():
            raise ValueError(f"data.source.images: {self.folder} is not a folder")
        files = FolderFiles(self.folder)
        return ListedSource(data, read_rows(self, data.tasks, data_seed, files), files, cache)

    def count_images(self) -> int:
        """Return the rows of the table."""
        return len(read_table(self.path, self.delimiter))

    def known_tasks(self) -> tuple[str, ...]:
        """Return the columns that are neither image nor split; a group may be a task, such as telling people apart."""
        return self.tasks_of(read_table(self.path, self.delimiter))

    def tasks_of(self, table: TextTable) -> tuple[str, ...]:
        """Return the names that ``data.tasks`` may hold, of a table that has been read."""
        others = {self.image_column, self.split_column, "split"}
        return tuple(name for name in table.columns if name not in others)

    @classmethod
    def detect(cls, folder: Path) -> TableImages | None:
        """Return the source if one CSV file in the folder has a column of image files.

        Raises:
            ValueError: several do, or none does and one cannot be read.
        """
        found, unreadable = [], []
        for path in sorted([*folder.glob("*.csv"), *folder.glob("*.tsv")]):
            try:
                found += [source] if (source := cls.of(path)) else []
            except ValueError as error:
                unreadable.append(error)
        if unreadable and not found:
            raise unreadable[0]
        if len(found) > 1:
            names = ", ".join(source.path.name for source in found)
            raise ValueError(f"{folder}: several tables name images ({names}); point at one of them instead")
        return found[0] if found else None

    @classmethod
    def of(cls, path: Path) -> TableImages | None:
        """Return the source that a CSV file describes, None where no column names image files.

        Raises:
            ValueError: it cannot be read as a table.
        """
        delimiter = delimiter_of(path)
        table = read_table(path, delimiter)
        columns = image_columns(table)
        if not columns:
            return None
        images, split = images_folder(table.column(columns[0]), path.parent), split_column(table)
        keys = {
            "image_column": columns[0],
            **({"delimiter": delimiter} if delimiter != "," else {}),
            **({"images": images} if images != path.parent else {}),
            **({"split_column": split} if split not in (None, "split") else {}),
        }
        return cls.model_validate({"path": path, **keys})
