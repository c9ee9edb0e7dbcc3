"""The sections on measuring a trial: ``evaluation`` and ``agreement``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.foundation.section import Section


class EvaluationConfig(Section):
    """Which splits are evaluated at the end, on how many frozen triplets a task, and how often validation is looked at.

    ``max_images`` caps queries and gallery of a split (drawn with ``data_seed``); None takes them all.
    """

    splits: tuple[Literal["validation", "test"], ...] = ("validation",)
    triplets_per_task: int = Field(2000, ge=1)
    validate_every: int = Field(1, ge=1)
    max_images: int | None = Field(None, ge=2)


class AgreementConfig(Section):
    """``update_agreement`` on one fixed batch of ``images`` training images every ``every_epochs`` epochs; 0 = off."""

    every_epochs: int = Field(0, ge=0)
    images: int = Field(64, ge=3)
