"""The section ``retention`` of a study file: which weights a run keeps, and how often a trial writes a checkpoint."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from trainables.foundation.checkpointing import CheckpointInterval
from trainables.foundation.section import Section

_SECONDS = re.compile(r"(\d+(?:\.\d+)?) ?s")


class RetentionSection(Section):
    """What stays on disk. None of it changes a result.

    ``weights``: of ``all`` finished trials, of the confirm trials of the arms on the ``front``, of the confirm trials
    of the ``best`` arms (``best_arms`` of them, by mean validation objective), or of ``none``.
    ``checkpoint_every``: epochs (a number), or seconds (``600s``), between two checkpoints of a trial.
    """

    weights: Literal["all", "front", "best", "none"] = "all"
    best_arms: int = Field(3, ge=1)
    checkpoint_every: int | str = 1

    @field_validator("checkpoint_every", mode="before")
    @classmethod
    def _epochs_or_seconds(cls, value: Any) -> Any:
        epochs = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        seconds = isinstance(value, str) and (found := _SECONDS.fullmatch(value)) and float(found[1]) > 0
        if not (epochs or seconds):
            raise ValueError(f"should be a number of epochs from 1, or seconds such as 600s, got {value!r}")
        return value

    @property
    def interval(self) -> CheckpointInterval:
        """The time between two checkpoints."""
        if isinstance(self.checkpoint_every, int):
            return CheckpointInterval(epochs=self.checkpoint_every)
        return CheckpointInterval(seconds=float(self.checkpoint_every.rstrip("s ")))

    def keeps_weights_of(self, stage: str) -> bool:
        """Return whether a trial of this stage of a study keeps its weights until the run has ended."""
        return self.weights == "all" or (self.weights != "none" and stage == "confirm")
