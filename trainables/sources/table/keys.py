"""The keys of a CSV file with one row per image and one column per task."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from trainables.foundation.objects.address import address_of
from trainables.foundation.section import Section
from trainables.sources.reading.cells import CellKind, MultiValued, plain_number
from trainables.sources.reading.missing import MISSING
from trainables.sources.reading.own_split import SHARES
from trainables.sources.reading.text_files import TextTable
from trainables.sources.source import SourceConfig


class TableLabel(Section):
    """How the cells of one column map to classes.

    ``class``: each value is a class. ``multi_label``: cells hold values separated by ``separator``; ``multi_valued``
    determines their class, or each value is a binary task ``column=value``. ``ordinal``: classes in the order given by
    ``order``, or by number; ``bins`` merges the numbers between its edges.
    """

    kind: CellKind = "class"
    separator: str = Field(";", min_length=1)
    multi_valued: MultiValued = "combination"
    order: tuple[str, ...] = ()
    bins: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _order_fits(self) -> TableLabel:
        if (self.order or self.bins) and self.kind != "ordinal":
            raise ValueError(f"order and bins require kind 'ordinal', got kind {self.kind!r}")
        if self.order and self.bins:
            raise ValueError("order and bins are mutually exclusive")
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError(f"bins must be increasing edges, got {list(self.bins)}")
        if len(set(map(_as_number, self.order))) != len(self.order):
            raise ValueError(f"the values of order must differ, also as numbers, got {list(self.order)}")
        return self


def _as_number(text: str) -> float | str:
    try:
        return plain_number(text)
    except ValueError:
        return text


class TableKeys(SourceConfig):
    """The keys of a CSV file (UTF-8, with a header) that lists images.

    Image paths are relative to ``images``, by default the file's folder, and must stay inside it. ``split_column``
    contains train, validation (val, valid, dev) or test. Without it, a column named ``split`` is used if there is one;
    otherwise ``data_seed`` splits the images by ``shares``, keeping the groups of ``group_column`` together.
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
            rule = 'must be one character other than a quote or a line break (a tab is "\\t", in double quotes)'
            raise ValueError(f"{rule}, got {delimiter!r}")
        return delimiter

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> TableKeys:
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError(f"shares must be three positive numbers that sum to 1, got {list(self.shares)}")
        return self

    @property
    def folder(self) -> Path:
        """The folder of the images."""
        return self.path.parent if self.images is None else self.images

    def at_hand(self) -> Self:
        """Return the table and its images on this node; without ``images``, all that is beside the table is fetched."""
        remote = self.images is None and address_of(self.path) is not None
        return super(TableKeys, self.model_copy(update={"images": self.folder}) if remote else self).at_hand()

    def tasks_of(self, table: TextTable) -> tuple[str, ...]:
        """Return the names allowed in ``data.tasks``, given the table."""
        others = {self.image_column, self.split_column, "split"}
        return tuple(name for name in table.columns if name not in others)
