"""The sections on training: batches, augmentation, loss, balancing, optimization. Does not import torch."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field, model_validator

from trainables.foundation.section import Section


class AugmentationConfig(Section):
    """Random augmentation of training images: horizontal ``flip`` and shifts by up to ``crop`` pixels (``0``: none)."""

    flip: bool = False
    crop: int = Field(0, ge=0)


Negatives = Literal["all", "semi_hard", "hard", "batch_hard"]


class BatchConfig(Section):
    """The sampling scheme of training batches and their size.

    ``all_tasks``: ``batch_size`` images per step; every task uses every image, and triplets are formed within the
    batch. ``triplets``: ``batch_size`` slots per step, a multiple of 3 x tasks, split evenly over tasks into anchors,
    positives and negatives. ``released``: the same slots, sampled exactly as in the released code. With the last two
    schemes, ``passes: separate`` runs anchors, negatives and positives through the network one after another, each with
    separate batch statistics, as in CSN. With ``all_tasks``, ``negatives`` mines triplets within the batch
    (``trainables.losses.mining``), and ``classes: balanced`` draws rare classes as often as frequent ones
    (``trainables.sampling.balanced``).
    """

    scheme: Literal["all_tasks", "triplets", "released"] = "all_tasks"
    batch_size: int = Field(
        48, ge=3, validation_alias=AliasChoices("batch_size", "images"), serialization_alias="images"
    )
    passes: Literal["mixed", "separate"] = "mixed"
    negatives: Negatives = "all"
    classes: Literal["natural", "balanced"] = "natural"

    @model_validator(mode="after")
    def _separate_passes_need_slots(self) -> BatchConfig:
        if self.passes == "separate" and self.scheme == "all_tasks":
            raise ValueError("passes: separate needs anchors of their own, so scheme triplets or released")
        return self

    @model_validator(mode="after")
    def _mining_needs_a_common_batch(self) -> BatchConfig:
        for key, value, default in (("negatives", self.negatives, "all"), ("classes", self.classes, "natural")):
            if value != default and self.scheme != "all_tasks":
                raise ValueError(f"{key}: {value} needs triplets formed within the batch, so scheme all_tasks")
        return self


class LossConfig(Section):
    """The triplet margin loss on embedding distances, and the penalties on embeddings and masks.

    The published settings of Conditional Similarity Networks are ``distance`` euclidean, ``normalize`` false,
    ``embedding_l2`` 0.005 and ``mask_l1`` 0.0005. ``trainables.losses.penalties`` defines the two penalties; 0 = off.
    """

    margin: float = Field(0.2, gt=0)
    distance: Literal["squared", "euclidean"] = "squared"
    normalize: bool = True
    embedding_l2: float = Field(0.0, ge=0)
    mask_l1: float = Field(0.0, ge=0)


class BalancingConfig(Section):
    """How the task losses are combined into one step; each setting starts with the name of its method."""

    method: str = "equal"
    cagrad_c: float = Field(0.4, ge=0)
    dwa_temperature: float = Field(2.0, gt=0)
    famo_learning_rate: float = Field(0.025, gt=0)
    famo_weight_decay: float = Field(0.001, ge=0)
    gradnorm_alpha: float = Field(1.5, ge=0)
    gradnorm_learning_rate: float = Field(0.025, gt=0)
    nash_max_norm: float = Field(1.0, ge=0)


class OptimizationConfig(Section):
    """The optimizer, its learning rate schedule, and the length of training.

    Schedules: ``released`` multiplies the rate by 0.1 after 39 % and 79 % of the epochs (the released 39/40/21 of 100);
    ``cosine`` decays towards zero; ``exponential`` multiplies by ``decay_per_epoch`` after every epoch (CSN: 0.985).
    ``steps_per_epoch`` None means one pass over the training images. ``restarts``: numbers of epochs after which the
    schedule has ended and starts again (warm restarts: Loshchilov and Hutter, ICLR 2017). ``step_share``: share of the
    steps of an epoch that is taken, so that arms whose steps cost more can be trained at equal cost.
    """

    optimizer: Literal["adagrad", "adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine", "released", "exponential"] = "cosine"
    decay_per_epoch: float = Field(0.985, gt=0, le=1)
    epochs: int = Field(5, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    restarts: tuple[int, ...] = ()
    step_share: float = Field(1.0, gt=0, le=1)

    def steps_taken(self, steps: int) -> int:
        """Return the steps of an epoch, of the ``steps`` that it has by its batches; at least one."""
        return max(1, round(self.step_share * steps))

    @model_validator(mode="after")
    def _restarts_rise(self) -> OptimizationConfig:
        rising = list(self.restarts) == sorted(set(self.restarts))
        if self.restarts and not (rising and self.restarts[0] >= 1 and self.restarts[-1] < self.epochs):
            raise ValueError(
                f"restarts must be ascending numbers of epochs from 1 and below epochs {self.epochs},"
                f" got {list(self.restarts)}"
            )
        return self
