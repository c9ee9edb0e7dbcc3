"""The sections of the sources that need no file of labels: drawn faces, and Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainables.sources.reading.missing import MISSING
from trainables.sources.registry import SourceConfig

if TYPE_CHECKING:
    from trainables.config.trial import DataConfig
    from trainables.sources.source import ImageSource


class GeneratedFaces(SourceConfig):
    """Drawn faces, made by the project itself (``trainables.sources.faces``). The seed is the study's ``data_seed``."""

    kind: Literal["generated"] = "generated"
    train_images: int = Field(1200, ge=1)
    validation_images: int = Field(300, ge=1)
    test_images: int = Field(400, ge=1)

    def open(self, data: DataConfig, data_seed: int, cache: Path | None) -> ImageSource:  # noqa: ARG002
        """Return the drawn faces."""
        from trainables.sources.faces.generator import FaceSource

        return FaceSource(data, self, data_seed)

    def count_images(self) -> int:
        """Return the images of all splits."""
        return self.train_images + self.validation_images + self.test_images

    def known_tasks(self) -> tuple[str, ...]:
        """Return everything that is drawn."""
        from trainables.sources.faces.attributes import FACE_TASKS

        return tuple(FACE_TASKS)


class ParquetImages(SourceConfig):
    """A folder in the Hugging Face Parquet image layout: ``{train,validation,test}-*.parquet``.

    ``missing``: texts that stand for no value in columns of text.
    """

    kind: Literal["parquet"] = "parquet"
    path: Path
    missing: tuple[str, ...] = MISSING

    def open(self, data: DataConfig, data_seed: int, cache: Path | None) -> ImageSource:  # noqa: ARG002
        """Return the images in the files."""
        from trainables.sources.parquet.source import ParquetSource

        return ParquetSource(data, self)

    def count_images(self) -> int:
        """Return the rows of all files."""
        from trainables.sources.parquet.shards import count_rows

        return count_rows(self.path)

    def known_tasks(self) -> tuple[str, ...]:
        """Return the columns beside the image column."""
        from trainables.sources.parquet.schema import task_columns
        from trainables.sources.parquet.shards import find_shards

        return task_columns(find_shards(self.path)["train"][0])

    @classmethod
    def detect(cls, folder: Path) -> ParquetImages | None:
        """Return the source if there are Parquet files where splits are looked for."""
        from trainables.sources.parquet.shards import has_shards

        return cls(path=folder) if has_shards(folder) else None
