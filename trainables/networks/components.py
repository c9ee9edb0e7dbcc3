"""The figures of a storage ledger. Does not import torch, so that a recorded ledger is read without it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

BYTES_FP32, BYTES_FP16 = 4, 2


@dataclass(frozen=True)
class Component:
    """Figures of one stage or modulation point over all networks of the arm, or of the whole model.

    Each figure of the whole model is the sum over all components. Figures of the index are therefore given at the stage
    that outputs the embedding, and are 0 elsewhere.

    Attributes:
        name: The stage; for a modulation, the stage it follows.
        kind: The kind of component.
        parameters: Scalars, including frozen modulation vectors. 32 mask bits count as one.
        buffers: Batch-norm running statistics, which are saved but not counted as parameters.
        added_parameters: Parameters in excess of one network without modulation.
        added_parameters_per_task: Parameters that one more task adds if the granularity of the grouping stays the same:
            a task's share of the modulation vectors and, with several networks, of the additional networks.
        embeddings_per_image: Vectors an index stores for one image and all tasks: one if tasks differ at most by the
            last modulation, which can be applied to the stored vector at query time; else one per branch.
        index_numbers_per_image: The numbers in these vectors.
        multiply_adds_per_image: Of convolutions and matrix products (linear layers, attention), for one image and all
            tasks: the trunk once, later stages once per branch, and the matrix products of a form. Products with
            modulation vectors (under 2 % of the time) and the computation of a group's weights (once, not per image)
            are not counted.
        mask_bits: One-bit values; 32 of them count as one parameter.
        mask_words: The parameters they count as, rounded up.
        fixed_bytes: Stored identically at any precision: mask bits, packed eight per byte in each tensor, and integers
            (step counts of torch's batch norm).
    """

    name: str
    kind: Literal["stage", "modulation", "total"]
    parameters: int
    buffers: int
    added_parameters: int
    added_parameters_per_task: float
    embeddings_per_image: int = 0
    index_numbers_per_image: int = 0
    multiply_adds_per_image: int = 0
    mask_bits: int = 0
    mask_words: int = 0
    fixed_bytes: int = 0

    def stored_bytes(self, number: int) -> int:
        """Return the bytes of the saved tensors at ``number`` bytes per number."""
        return number * (self.parameters - self.mask_words + self.buffers) + self.fixed_bytes

    def row(self) -> dict[str, Any]:
        """Return the figures by column of the ``storage`` table."""
        return {
            "component": self.name,
            "kind": self.kind,
            "parameters": self.parameters,
            "added_parameters": self.added_parameters,
            "added_parameters_per_task": self.added_parameters_per_task,
            "bytes_fp32": self.stored_bytes(BYTES_FP32),
            "bytes_fp16": self.stored_bytes(BYTES_FP16),
            "mask_bits": self.mask_bits,
            "embeddings_per_image": self.embeddings_per_image,
            "index_bytes_per_image_fp32": BYTES_FP32 * self.index_numbers_per_image,
            "index_bytes_per_image_fp16": BYTES_FP16 * self.index_numbers_per_image,
            "multiply_adds_per_image": self.multiply_adds_per_image,
        }


@dataclass(frozen=True)
class StorageLedger:
    """All storage figures of an arm.

    ``bytes_fp32`` and ``bytes_fp16`` are those of the tensors in the saved file: parameters and batch-norm running
    statistics; ``parameters`` counts only parameters. See ``Component`` for the other figures.
    """

    components: tuple[Component, ...]

    @cached_property
    def total(self) -> Component:
        """The whole model: the sum of all components."""
        return Component(
            name="total",
            kind="total",
            parameters=sum(part.parameters for part in self.components),
            buffers=sum(part.buffers for part in self.components),
            added_parameters=sum(part.added_parameters for part in self.components),
            added_parameters_per_task=sum(part.added_parameters_per_task for part in self.components),
            embeddings_per_image=sum(part.embeddings_per_image for part in self.components),
            index_numbers_per_image=sum(part.index_numbers_per_image for part in self.components),
            multiply_adds_per_image=sum(part.multiply_adds_per_image for part in self.components),
            mask_bits=sum(part.mask_bits for part in self.components),
            mask_words=sum(part.mask_words for part in self.components),
            fixed_bytes=sum(part.fixed_bytes for part in self.components),
        )

    @property
    def parameters(self) -> int:
        """Scalars of all networks and modulation vectors, including frozen ones."""
        return self.total.parameters

    @property
    def buffers(self) -> int:
        """Batch-norm running statistics of all networks."""
        return self.total.buffers

    @property
    def base_parameters(self) -> int:
        """Parameters of one network without modulation."""
        return self.parameters - self.added_parameters

    @property
    def added_parameters(self) -> int:
        """Parameters in excess of one network without modulation."""
        return self.total.added_parameters

    @property
    def added_parameters_per_task(self) -> float:
        """Parameters that one more task adds, see ``Component``."""
        return self.total.added_parameters_per_task

    @property
    def bytes_fp32(self) -> int:
        """Bytes of the saved tensors, including running statistics, at 4 bytes per number."""
        return self.total.stored_bytes(BYTES_FP32)

    @property
    def bytes_fp16(self) -> int:
        """The same at 2 bytes per number."""
        return self.total.stored_bytes(BYTES_FP16)

    @property
    def embeddings_per_image(self) -> int:
        """Vectors an index stores for one image and all tasks, see ``Component``."""
        return self.total.embeddings_per_image

    @property
    def multiply_adds_per_image(self) -> int:
        """For one image and all tasks, see ``Component``."""
        return self.total.multiply_adds_per_image

    def rows(self, study: str, arm_id: str, arm: str) -> list[dict[str, Any]]:
        """Return the arm's rows of the ``storage`` table: stages, modulation points, then the total."""
        names = {"study": study, "arm_id": arm_id, "arm": arm}
        return [names | component.row() for component in (*self.components, self.total)]
