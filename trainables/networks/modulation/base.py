"""What every form of modulation is: parameters by which groups of tasks differ at one stage of a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.config.modulation import ModulationConfig


@dataclass(frozen=True)
class Site:
    """Where a form is put: one stage of one network.

    Attributes:
        stage: Name of the stage.
        groups: Number G of groups of tasks that differ here.
        channels: Channels C of the stage's output.
        settings: The arm's modulation.
        layers: Layers of the stage by name, in the order they run; for forms that act inside it.
    """

    stage: str
    groups: int
    channels: int
    settings: ModulationConfig
    layers: Mapping[str, nn.Module]


class Modulation(nn.Module, ABC):
    """One modulation point, unset until ``initialize`` is called.

    A form acts on the stage's output (``forward``), or inside the stage (``inside``; see ``InsideModulation``). What
    follows is declared here and nowhere else; the plan of a study and the ids of trials read it from the class.

    Attributes:
        inside: Whether the stage's own layers compute something else for each group, so that the stage runs once a
            group. Otherwise only its output differs, and the stage runs once an image.
        of_vectors: Whether the form looks at ``initialization`` and ``activation``, as forms made of vectors do. If
            not, levels of the two make no arms of their own, and ``loss.mask_l1`` has nothing to hold small.
        default_size: The published number of a form that takes one in brackets, such as a rank; None if it takes none.
        keeps_first: Whether the first group uses what the shared network has, so that one group is that network and G
            groups add G - 1 copies.
        has_parameters: Whether the form has parameters, which ``initialization.trainable`` may freeze.
    """

    inside: ClassVar[bool] = False
    of_vectors: ClassVar[bool] = False
    default_size: ClassVar[int | None] = None
    keeps_first: ClassVar[bool] = False
    has_parameters: ClassVar[bool] = True

    @classmethod
    def size_at(cls, site: Site) -> int:
        """Return the number in the form's brackets, the published one where none is given."""
        size = site.settings.size or cls.default_size
        if size is None:
            raise TypeError(f"{cls.__name__} takes a number but declares no default_size")
        return size

    def acts(self) -> bool:
        """Whether the form finds anything to change at its site."""
        return next(self.parameters(), None) is not None or next(self.buffers(), None) is not None

    @abstractmethod
    def initialize(self, generator: torch.Generator) -> None:
        """Set every parameter and buffer, after the backbone's; ValueError where the settings do not fit the site."""

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:  # noqa: ARG002 - for forms that act on the output
        """Change a stage's output as the groups want it.

        Args:
            features: ``(..., C, H, W)`` or ``(..., C)``.
            groups: Group indices, broadcast against the leading dimensions: ``(B,)`` or ``(1,)`` for ``(B, C, H, W)``,
                ``(G, 1)`` for ``(1, B, C, H, W)``, which gives ``(G, B, C, H, W)``.
        """
        raise TypeError(f"{type(self).__name__} acts inside a stage, not on its output")

    @contextmanager
    def serving(self, groups: Tensor) -> Iterator[None]:  # noqa: ARG002 - forms that act inside use it
        """Let the stage's layers serve these groups, ``(N,)`` or ``(1,)``, while the block runs."""
        yield

    def magnitude(self, groups: Tensor) -> Tensor:
        """Return the L1 norm ``(N,)`` of the vectors of groups ``(N,)`` after the activation; 0 without vectors."""
        return torch.zeros(groups.shape, device=groups.device)

    def dead_channels(self) -> int:
        """Return how many channels give nothing and get no gradient any more, over all groups."""
        return 0

    def decayed_parameters(self) -> list[nn.Parameter]:
        """Return what weight decay applies to: copies of layer weights. Decay would pull a vector to zero."""
        return []

    def multiply_adds(self, pixels: int) -> int:  # noqa: ARG002 - most forms cost none
        """Return the products with matrices for one image and group; ``pixels`` is H x W of the stage's output."""
        return 0

    def unstored(self) -> set[str]:
        """Return the names in ``state_dict`` that only training needs, because ``packed`` replaces them."""
        return set()

    def packed(self) -> dict[str, Tensor]:
        """Return what is stored in place of ``unstored``: uint8 tensors of eight mask bits a byte."""
        return {}

    def unpack(self, packed: Mapping[str, Tensor]) -> None:
        """Take up what ``packed`` returned."""

    def mask_bits(self) -> list[int]:
        """Return how many one-bit values each tensor of ``packed`` holds."""
        return []
