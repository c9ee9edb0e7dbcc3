"""The section ``search.halving``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainables.config.training import OptimizationConfig
from trainables.foundation.section import Section


class HalvingSection(Section):
    """At each rung (epochs done) the best share ``keep`` of an arm's trials continues; ties and rounding keep more.

    ``mode``: ``synchronous`` decides once all trials of a round have reached the rung, ``asynchronous`` (ASHA) on each
    at once, against those that were there before, which no repetition promises.
    ``schedule``: ``whole`` leaves the learning-rate schedule as it is, over all epochs; with ``restart`` it ends at
    each rung and begins again, in all trials of the study, so that trials are compared at the end of a schedule.
    ``stop_beaten``: a kept trial stops too, if a cheaper arm has already reached more than it may still reach.
    """

    rungs: tuple[int, ...] = Field(min_length=1)
    keep: float = Field(0.5, gt=0, lt=1)
    mode: Literal["synchronous", "asynchronous"] = "synchronous"
    schedule: Literal["whole", "restart"] = "whole"
    stop_beaten: bool = False

    @model_validator(mode="after")
    def _rungs_rise(self) -> HalvingSection:
        if list(self.rungs) != sorted(set(self.rungs)) or self.rungs[0] < 1:
            raise ValueError(f"rungs must be ascending epochs from 1, got {list(self.rungs)}")
        if self.stop_beaten and self.mode == "asynchronous":
            raise ValueError("stop_beaten: only with mode: synchronous, whose decisions it waits for; leave one out")
        return self

    def unfinished(self, training: OptimizationConfig) -> tuple[int, ...]:
        """Return the rungs that compare trials in the middle of a falling learning rate."""
        if self.schedule == "restart" or training.schedule == "constant":
            return ()
        return tuple(rung for rung in self.rungs if rung not in training.restarts)

    @property
    def repeatable(self) -> bool:
        """Whether the same file leads to the same trials, whatever runs when."""
        return self.mode == "synchronous"
