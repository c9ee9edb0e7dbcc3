"""Base class of all forms of modulation: parameters by which groups of tasks differ at one stage of a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.config.modulation import ModulationConfig
from trainables.config.registries import OwnValues
from trainables.networks.precision import TwoValues

RATE_FACTOR: OwnValues = {"rate_factor": {"low": 0.1, "high": 10.0, "log": True}}
"""Own value of every form with parameters: their learning rate over that of all others."""


@dataclass(frozen=True)
class Site:
    """Where a form is applied: one stage of one network.

    Attributes:
        stage: Name of the stage.
        groups: Number G of groups of tasks that differ here.
        channels: Channels C of the stage's output.
        settings: Modulation settings of the arm.
        layers: Layers of the stage by name, in execution order; for forms that act inside the stage.
        learning_rate: First learning rate of the form's parameters, against which scores are started; None if there is
            none.
    """

    stage: str
    groups: int
    channels: int
    settings: ModulationConfig
    layers: Mapping[str, nn.Module]
    learning_rate: float | None = None


class Modulation(nn.Module, ABC):
    """One modulation point, uninitialized until ``initialize`` is called.

    A form acts on the stage's output (``forward``) or inside the stage (``inside``; see ``InsideModulation``). The
    class attributes are the only declaration of a form's traits; study plans and trial ids read them from here.

    Attributes:
        inside: Whether the layers of the stage compute different results for each group, so that the stage runs once
            per group. Otherwise only the output differs, and the stage runs once per image.
        of_vectors: Whether the form uses ``initialization`` and ``activation``, as forms made of vectors do. If not,
            different levels of the two do not yield different arms, and ``loss.mask_l1`` has nothing to penalize.
        default_size: The published number of a form that takes one in brackets, such as a rank; None if it takes none.
        keeps_first: Whether the first group uses the parameters or statistics of the shared network, so that one group
            is that network and G groups add G - 1 copies.
        has_parameters: Whether the form has parameters, which ``initialization.trainable`` may freeze.
        has_scores: Whether the form trains scores of masks, which start ``score_steps`` above their threshold.
        own_values: Nuisance values that belong to the form, with the range over which a study may tune them in the arms
            of the form (``space.tune_own``).
    """

    inside: ClassVar[bool] = False
    of_vectors: ClassVar[bool] = False
    default_size: ClassVar[int | None] = None
    keeps_first: ClassVar[bool] = False
    has_parameters: ClassVar[bool] = True
    has_scores: ClassVar[bool] = False
    own_values: ClassVar[OwnValues] = {}

    @classmethod
    def size_at(cls, site: Site) -> int:
        """Return the number in brackets of the form, which defaults to the published one."""
        size = site.settings.size or cls.default_size
        if size is None:
            raise TypeError(f"{cls.__name__} takes a number but declares no default_size")
        return size

    def acts(self) -> bool:
        """Return whether the form changes anything at its site."""
        return next(self.parameters(), None) is not None or next(self.buffers(), None) is not None

    @abstractmethod
    def initialize(self, generator: torch.Generator) -> None:
        """Set all parameters and buffers, after those of the backbone; raises ValueError if settings do not fit."""

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:  # noqa: ARG002 - for forms that act on the output
        """Modulate the output of a stage for the given groups.

        Args:
            features: ``(..., C, H, W)`` or ``(..., C)``.
            groups: Group indices, broadcast against the leading dimensions: ``(B,)`` or ``(1,)`` for ``(B, C, H, W)``;
                ``(G, 1)`` for ``(1, B, C, H, W)``, which returns ``(G, B, C, H, W)``.
        """
        raise TypeError(f"{type(self).__name__} acts inside a stage, not on its output")

    @contextmanager
    def serving(self, groups: Tensor) -> Iterator[None]:  # noqa: ARG002 - forms that act inside use it
        """Make the layers of the stage compute for these groups, ``(N,)`` or ``(1,)``, within the ``with`` block."""
        yield

    def magnitude(self, groups: Tensor) -> Tensor:
        """Return the L1 norm ``(N,)`` of the vectors of groups ``(N,)`` after the activation; 0 without vectors."""
        return torch.zeros(groups.shape, device=groups.device)

    def dead_channels(self) -> int:
        """Return the number of channels, over all groups, whose output is zero and that receive no gradient."""
        return 0

    def decayed_parameters(self) -> list[nn.Parameter]:
        """Return the parameters with weight decay: copies of layer weights. Decay would pull vectors to zero."""
        return []

    def multiply_adds(self, pixels: int) -> int:  # noqa: ARG002 - most forms cost none
        """Return the multiply-adds of matrix products per image and group; ``pixels`` is H x W of the stage output."""
        return 0

    def unstored(self) -> set[str]:
        """Return the names in ``state_dict`` that only training needs, since ``packed`` replaces them in storage."""
        return set()

    def packed(self) -> dict[str, Tensor]:
        """Return the tensors stored in place of ``unstored``: uint8, eight mask bits per byte."""
        return {}

    def unpack(self, packed: Mapping[str, Tensor]) -> None:
        """Restore the tensors returned by ``packed``."""

    def two_valued(self) -> Mapping[str, TwoValues]:
        """Return the tensors of the state that act as one of two values, so that a bit each can store them."""
        return {}

    def mask_bits(self) -> dict[str, int]:
        """Return the number of one-bit values in each tensor of ``packed``, by name."""
        return {}
