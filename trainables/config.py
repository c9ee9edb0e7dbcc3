"""What one trial is: every setting that decides its result, validated at construction.

A ``TrialConfig`` is plain data (pydantic, frozen, unknown keys refused), so it travels as JSON between the driver,
the workers, the journal and the tables. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, model_validator

from trainables.config_sources import GeneratedFaces as GeneratedFaces  # noqa: PLC0414 - also to be had from here
from trainables.config_sources import ParquetImages as ParquetImages  # noqa: PLC0414
from trainables.section import Section as Section  # noqa: PLC0414
from trainables.sources import Source

RESULTS_VERSION = 1
"""Raised whenever a change of the code changes numbers, so that old journals are never mistaken for new ones."""

Partition = tuple[tuple[str, ...], ...]
"""Disjoint, non-empty groups of task names that cover every task."""


class DataConfig(Section):
    """Which images and labels, and how an image becomes ``image_size x image_size x 3`` uint8.

    ``fit`` says what happens to an image that is not square: ``crop`` takes the central square, ``pad`` adds white
    borders, ``stretch`` ignores the proportions. Above ``max_corrupt_share`` undecodable images a study does not start.
    """

    source: Source = GeneratedFaces()
    tasks: tuple[str, ...] = Field(min_length=1)
    image_size: int = Field(64, ge=8)
    fit: Literal["crop", "pad", "stretch"] = "crop"
    max_corrupt_share: float = Field(0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _tasks_are_distinct(self) -> DataConfig:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks must be distinct, got {list(self.tasks)}")
        return self


class NetworkConfig(Section):
    """The backbone by name and its width multiplier (channels of every stage are scaled and rounded).

    ``batch_norm_momentum`` is the weight of the newest batch in the running statistics. The released 0.005 needs about
    a thousand steps to come near the data's; shorter trainings want more.
    """

    backbone: str = "simplenet"
    width: float = Field(1.0, gt=0)
    batch_norm_momentum: float = Field(0.005, gt=0, le=1)


class InitializationConfig(Section):
    """How modulation vectors start, and whether they are trained.

    ``ones``; ``constant`` (``value``); ``normal`` (``mean``, ``std``); ``uniform`` (``low``, ``high``); ``disjoint``:
    1 in the group's own block of channels and ``off`` elsewhere (CSN: off 0 frozen, or 0.1 trained).
    """

    kind: Literal["ones", "constant", "normal", "uniform", "disjoint"] = "ones"
    trainable: bool = True
    value: float = 1.0
    mean: float = 1.0
    std: float = Field(0.1, ge=0)
    low: float = 0.0
    high: float = 1.0
    off: float = 0.0

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> InitializationConfig:
        if self.kind == "uniform" and self.low >= self.high:
            raise ValueError(f"low must be below high, got low={self.low}, high={self.high}")
        return self


class ModulationConfig(Section):
    """Where modulation sits (stage names; empty = none), its form, and which tasks share its vectors."""

    points: tuple[str, ...] = ()
    form: Literal["scale"] = "scale"
    activation: Literal["relu", "none"] = "relu"
    initialization: InitializationConfig = InitializationConfig()
    groups: Partition = ()


class BatchConfig(Section):
    """``all_tasks``: ``images`` images a step, every task on every image, triplets formed inside the batch.

    ``triplets``: the released scheme; ``images`` slots a step, a multiple of 3 x tasks, split evenly over tasks into
    anchor, positive, negative.
    """

    scheme: Literal["all_tasks", "triplets"] = "all_tasks"
    images: int = Field(48, ge=3)


class LossConfig(Section):
    """Triplet margin on squared distances of L2-normalised embeddings."""

    margin: float = Field(0.2, gt=0)


class OptimizationConfig(Section):
    """``released``: rate x0.1 after 39 % and 79 % of the epochs (the released 39/40/21 of 100). ``cosine``: to zero.

    ``steps_per_epoch`` None means one pass over the training images.
    """

    optimizer: Literal["adagrad", "adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine", "released"] = "cosine"
    epochs: int = Field(5, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)


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


class ComputeConfig(Section):
    """All of these change the last bits of a result, so all of them are part of a trial's identity."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    threads: int = Field(1, ge=1)


class TrialConfig(Section):
    """Everything that decides the result of one trial. ``network_groups``: tasks that share a whole network."""

    data: DataConfig
    network: NetworkConfig = NetworkConfig()
    modulation: ModulationConfig = ModulationConfig()
    network_groups: Partition = ()
    batches: BatchConfig = BatchConfig()
    loss: LossConfig = LossConfig()
    optimization: OptimizationConfig = OptimizationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    agreement: AgreementConfig = AgreementConfig()
    compute: ComputeConfig = ComputeConfig()
    data_seed: int = Field(0, ge=0)
    train_seed: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _default_groups(cls, values: Any) -> Any:
        """No groups given means: one network for all tasks, own modulation vectors for every task."""
        if not isinstance(values, dict):
            return values
        data = values.get("data")
        tasks = tuple(data.tasks) if isinstance(data, DataConfig) else tuple((data or {}).get("tasks", ()))
        values = dict(values)
        values["network_groups"] = values.get("network_groups") or (tasks,)
        modulation = values.get("modulation", {})
        modulation = modulation.model_dump() if isinstance(modulation, ModulationConfig) else dict(modulation)
        modulation["groups"] = modulation.get("groups") or tuple((task,) for task in tasks)
        values["modulation"] = modulation
        return values

    @model_validator(mode="after")
    def _groups_are_partitions(self) -> TrialConfig:
        for key, groups in (("network_groups", self.network_groups), ("modulation.groups", self.modulation.groups)):
            members = [task for group in groups for task in group]
            if sorted(members) != sorted(self.data.tasks) or any(not group for group in groups):
                raise ValueError(f"{key} must name every task exactly once, got {groups} for tasks {self.data.tasks}")
        network_of = {task: index for index, group in enumerate(self.network_groups) for task in group}
        for group in self.modulation.groups if self.modulation.points else ():
            if len({network_of[task] for task in group}) > 1:
                raise ValueError(f"modulation.groups: {list(group)} share vectors but lie in different networks")
        block = 3 * len(self.data.tasks)
        if self.batches.scheme == "triplets" and self.batches.images % block:
            raise ValueError(f"batches.images must be a multiple of {block} (3 x tasks), got {self.batches.images}")
        return self


def trial_identity(config: TrialConfig, data_fingerprint: str) -> dict[str, Any]:
    """Return what can change the trial's result, and nothing else, as plain JSON values.

    The place of the data is replaced by the fingerprint of its content, so a moved folder keeps its trials.
    """
    identity = config.model_dump(mode="json")
    identity["data"]["source"] = {"fingerprint": data_fingerprint}
    del identity["data"]["max_corrupt_share"]
    identity["results_version"] = RESULTS_VERSION
    return identity


def trial_id(config: TrialConfig, data_fingerprint: str) -> str:
    """Return the trial's id: 16 hexadecimal digits of a BLAKE2b hash of its identity."""
    text = json.dumps(trial_identity(config, data_fingerprint), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
