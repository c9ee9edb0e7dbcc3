"""The ``data`` section: the images and labels, and how images are decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from trainables.foundation.section import Section
from trainables.sources.registry import Source, source_section
from trainables.sources.source import MAX_PIXELS, Fit, ImageSource, ReadRequest, SourceConfig


def _drawn_faces() -> SourceConfig:
    return source_section("generated")(kind="generated")


class DataConfig(Section):
    """The images and labels, and how an image is converted to ``image_size x image_size x 3`` uint8.

    ``fit`` determines how an image becomes square: ``crop`` takes the central square, ``pad`` adds white borders,
    ``stretch`` ignores the aspect ratio. ``preprocessing`` names the conversion from pixels to network inputs
    (``trainables.data.preprocessing``). An image with more than ``max_pixels`` counts as undecodable. A study does not
    start if the share of undecodable images exceeds ``max_corrupt_share``, or if more than ``max_duplicate_share`` of
    the validation and test images also occur in another split.
    """

    source: Source = Field(default_factory=_drawn_faces)
    tasks: tuple[str, ...] = Field(min_length=1)
    image_size: int = Field(64, ge=8)
    fit: Fit = "crop"
    preprocessing: Literal["unit", "released", "imagenet"] = "unit"
    max_corrupt_share: float = Field(0.01, ge=0, le=1)
    max_duplicate_share: float = Field(0.0, ge=0, le=1)
    max_pixels: int = Field(MAX_PIXELS, ge=1)

    @model_validator(mode="after")
    def _tasks_are_distinct(self) -> DataConfig:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks must be distinct, got {list(self.tasks)}")
        return self

    def read_request(self, data_seed: int, cache: Path | None = None) -> ReadRequest:
        """Return the request that this section makes to its source.

        Args:
            data_seed: Seed of random draws.
            cache: Folder for cached hashes of image files; None disables the cache.
        """
        return ReadRequest(self.tasks, self.image_size, self.fit, self.max_pixels, data_seed, cache)

    def open(self, data_seed: int, cache: Path | None = None) -> ImageSource:
        """Return the validated source.

        Raises:
            ValueError: Files, columns or tasks are inconsistent.
        """
        return self.source.at_hand().open(self.read_request(data_seed, cache))
