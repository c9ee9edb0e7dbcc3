"""The ``modulation`` section: placement, form, initialization, and which tasks share parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainables.foundation.section import Section

Partition = tuple[tuple[str, ...], ...]
"""Disjoint, non-empty groups of task names that cover every task."""


class InitializationConfig(Section):
    """How modulation vectors are initialized, and whether they are trained.

    Kinds: ``ones``; ``constant`` (``value``); ``normal`` (``mean``, ``std``); ``uniform`` (``low``, ``high``);
    ``disjoint``, 1 in the group's own block of channels and ``off`` elsewhere (CSN: off 0 frozen, or 0.1 trained);
    ``binary``, 1 in a random fraction ``keep`` of a group's channels and 0 elsewhere.
    """

    kind: Literal["ones", "constant", "normal", "uniform", "disjoint", "binary"] = "ones"
    trainable: bool = True
    value: float = 1.0
    mean: float = 1.0
    std: float = Field(0.1, ge=0)
    low: float = 0.0
    high: float = 1.0
    off: float = 0.0
    keep: float = Field(0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> InitializationConfig:
        if self.kind == "uniform" and self.low >= self.high:
            raise ValueError(f"low must be below high, got low={self.low}, high={self.high}")
        return self


class ModulationConfig(Section):
    """The modulated stages (names; empty = none), the form, and the groups of tasks that share parameters.

    ``form`` is a name in ``trainables.networks.modulation.FORMS``. ``size`` is its number, if it takes one: the rank of
    ``low_rank`` and ``low_rank_convolution``, or the reduction of ``squeeze_excite``; None uses the published number.
    ``score_steps``: steps of the learning rate by which the scores of ``weight_mask`` start above their threshold.
    ``rate_factor``: the learning rate of the form's own parameters as a multiple of that of all others.
    """

    points: tuple[str, ...] = ()
    form: str = "scale"
    size: int | None = Field(None, ge=1)
    activation: str = "relu"
    initialization: InitializationConfig = InitializationConfig()
    groups: Partition = ()
    score_steps: float = Field(10.0, gt=0)
    rate_factor: float = Field(1.0, gt=0)
