"""Optuna's genetic samplers, with the parents of their generations chosen one after another, from the first on.

Optuna chooses those of the latest generation by choosing those of all earlier ones inside it, so that some 480
generations exceed Python's limit on nested calls. What is chosen here is the same, in the same order.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import MutableMapping
from typing import Any

from optuna import Study
from optuna.samplers import BaseGASampler, NSGAIIISampler, NSGAIISampler
from optuna.trial import FrozenTrial

Parents = MutableMapping[int, list[FrozenTrial]]
"""The parents of a generation, by its number from 1, in the order in which they were chosen."""


class _InOrder(BaseGASampler, ABC):
    """A genetic sampler whose ``select_parent`` goes from generation to generation.

    Args:
        parents: those of the generations that are known; the others are added.
        settings: of Optuna's sampler.
    """

    def __init__(self, parents: Parents, **settings: Any) -> None:
        super().__init__(**settings)
        self._parents = parents
        self._is_selecting = False

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation."""
        self._is_selecting = True
        for number in range(1, generation + 1):
            if number not in self._parents:
                self._parents[number] = super().select_parent(study, number)  # type: ignore[safe-super]
        self._is_selecting = False
        return list(self._parents[generation])

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the parents of a generation; after the first time, as Optuna does, in the order of all trials."""
        if self._is_selecting:
            return self._parents.get(generation, [])
        found: list[FrozenTrial] = super().get_parent_population(study, generation)
        return found


class NSGAII(_InOrder, NSGAIISampler):
    """NSGA-II, which chooses parents by their values alone: those chosen once hold for all later rounds."""


class NSGAIII(_InOrder, NSGAIIISampler):
    """NSGA-III, which also draws lots among them, by the seed of the round: every round chooses all of them anew."""
