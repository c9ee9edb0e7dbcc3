"""What one trial is: every setting that decides its result, validated at construction.

A ``TrialConfig`` is plain data (pydantic, frozen, unknown keys refused), so it travels as JSON between the driver,
the workers, the journal and the tables. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, model_validator

from trainables.config.acting import without_idle
from trainables.config.network import NetworkConfig, network_identity
from trainables.config.training import (
    AugmentationConfig,
    BalancingConfig,
    BatchConfig,
    LossConfig,
    OptimizationConfig,
)
from trainables.foundation.section import Section
from trainables.sources.builtin import GeneratedFaces
from trainables.sources.registry import Source

RESULTS_CHANGES: dict[int, str] = {
    2: "forms inside layers and balancing as a factor came in",
    3: "batch-norm statistics, GradNorm, FAMO and masks were mended, and ids hold only what can change a result",
}
"""What changed numbers, by the version that brought it; version 1 was the first."""

RESULTS_VERSION = max(RESULTS_CHANGES)
"""Raised whenever a change of the code changes numbers, so that old journals are never mistaken for new ones."""

MAX_PIXELS = 50_000_000
"""Larger images are refused before they are decoded: a small file can hold a picture that fills the memory."""

Partition = tuple[tuple[str, ...], ...]
"""Disjoint, non-empty groups of task names that cover every task."""


class DataConfig(Section):
    """Which images and labels, and how an image becomes ``image_size x image_size x 3`` uint8.

    ``fit`` says what happens to an image that is not square: ``crop`` takes the central square, ``pad`` adds white
    borders, ``stretch`` ignores the proportions. ``preprocessing`` names what turns pixels into the network's numbers
    (``trainables.data.preprocessing``). An image of more than ``max_pixels`` counts as undecodable. A study does not
    start above ``max_corrupt_share`` undecodable images, nor where more than ``max_duplicate_share`` of the validation
    and test images are also in another split.
    """

    source: Source = GeneratedFaces()
    tasks: tuple[str, ...] = Field(min_length=1)
    image_size: int = Field(64, ge=8)
    fit: Literal["crop", "pad", "stretch"] = "crop"
    preprocessing: Literal["unit", "released", "imagenet"] = "unit"
    max_corrupt_share: float = Field(0.01, ge=0, le=1)
    max_duplicate_share: float = Field(0.0, ge=0, le=1)
    max_pixels: int = Field(MAX_PIXELS, ge=1)

    @model_validator(mode="after")
    def _tasks_are_distinct(self) -> DataConfig:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks must be distinct, got {list(self.tasks)}")
        return self


class InitializationConfig(Section):
    """How modulation vectors start, and whether they are trained.

    ``ones``; ``constant`` (``value``); ``normal`` (``mean``, ``std``); ``uniform`` (``low``, ``high``); ``disjoint``:
    1 in the group's own block of channels and ``off`` elsewhere (CSN: off 0 frozen, or 0.1 trained); ``binary``: 1 for
    a random share ``keep`` of a group's channels, 0 elsewhere.
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
    """Where modulation sits (stage names; empty = none), its form, and which tasks share its parameters.

    ``form`` is a name in ``trainables.networks.modulation.FORMS``. ``size`` is its number, where it takes one: the rank
    of ``low_rank`` and ``low_rank_convolution``, the reduction of ``squeeze_excite``; None takes the published one.
    """

    points: tuple[str, ...] = ()
    form: str = "scale"
    size: int | None = Field(None, ge=1)
    activation: str = "relu"
    initialization: InitializationConfig = InitializationConfig()
    groups: Partition = ()


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
    augmentation: AugmentationConfig = AugmentationConfig()
    network: NetworkConfig = NetworkConfig()
    modulation: ModulationConfig = ModulationConfig()
    network_groups: Partition = ()
    batches: BatchConfig = BatchConfig()
    loss: LossConfig = LossConfig()
    balancing: BalancingConfig = BalancingConfig()
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
        check_sections_agree(self.data, self.augmentation, self.batches)
        return self


def check_sections_agree(data: DataConfig, augmentation: AugmentationConfig, batches: BatchConfig) -> None:
    """Check what no section can know alone.

    Raises:
        ValueError: slots that do not divide over the tasks, or a crop larger than the image; starts with the key.
    """
    block = 3 * len(data.tasks)
    if batches.scheme != "all_tasks" and batches.images % block:
        rule = f"must be a multiple of {block} (3 x tasks) in the scheme {batches.scheme}"
        raise ValueError(f"batches.images {rule}, got {batches.images}")
    if augmentation.crop >= data.image_size:
        raise ValueError(f"augmentation.crop must be below data.image_size {data.image_size}, got {augmentation.crop}")


def trial_identity(
    config: TrialConfig, data_fingerprint: str, results_version: int = RESULTS_VERSION
) -> dict[str, Any]:
    """Return what can change the trial's result, and nothing else, as plain JSON values.

    Settings at their defaults are left out, so that a new setting changes no id; a changed default is a change of the
    code that changes numbers. So are settings that cannot act beside the others (``trainables.config.acting``). The
    paths of data and start weights are replaced by a hash of their content, so moved files keep their trials.

    Args:
        config: The trial.
        data_fingerprint: Of its images and labels.
        results_version: Of the code that makes or made the numbers, from 2. Version 2 left out less.
    """
    identity = config.model_dump(mode="json", exclude_defaults=True)
    if "network" in identity:
        identity["network"] = network_identity(config.network)
    identity["data"]["source"] = {"fingerprint": data_fingerprint}
    for limit in ("max_corrupt_share", "max_duplicate_share"):  # decide whether a study starts, not what it finds
        identity["data"].pop(limit, None)
    if results_version > 2:
        identity = without_idle(config, identity)
    identity["results_version"] = results_version
    return identity


def trial_id(config: TrialConfig, data_fingerprint: str, results_version: int = RESULTS_VERSION) -> str:
    """Return the trial's id: 16 hexadecimal digits of a BLAKE2b hash of its identity."""
    identity = trial_identity(config, data_fingerprint, results_version)
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
