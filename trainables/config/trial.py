"""The configuration of a trial: every setting that affects its result, validated at construction.

A ``TrialConfig`` is plain data (pydantic, frozen, unknown keys rejected) and is passed as JSON between the driver, the
workers, the journal and the tables. Does not import torch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import Field, model_validator

from trainables.config.data import DataConfig
from trainables.config.modulation import ModulationConfig, Partition
from trainables.config.sections import SharedSections
from trainables.config.training import AugmentationConfig, BatchConfig


class TrialConfig(SharedSections):
    """All settings that affect the result of a trial. ``network_groups``: groups of tasks that share a whole network.

    Example:
        >>> config = TrialConfig(data=DataConfig(tasks=("Smiling", "Glasses"), image_size=48))
        >>> config.modulation.groups
        (('Smiling',), ('Glasses',))
    """

    modulation: ModulationConfig = ModulationConfig()
    network_groups: Partition = ()
    data_seed: int = Field(0, ge=0)
    train_seed: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _default_groups(cls, values: Any) -> Any:
        """Fill in missing groups: one network for all tasks, separate modulation vectors for every task."""
        if not isinstance(values, dict):
            return values
        data = values.get("data")
        tasks = tuple(data.tasks) if isinstance(data, DataConfig) else tuple((data or {}).get("tasks", ()))
        values = dict(values)
        values["network_groups"] = values.get("network_groups") or (tasks,)
        modulation = values.get("modulation", {})
        if isinstance(modulation, ModulationConfig) and modulation.groups:
            return values
        modulation = modulation.model_dump() if isinstance(modulation, ModulationConfig) else dict(modulation)
        modulation["groups"] = modulation.get("groups") or tuple((task,) for task in tasks)
        values["modulation"] = modulation
        return values

    @model_validator(mode="after")
    def _groups_are_partitions(self) -> TrialConfig:
        modulation = self.modulation
        _check_groups(self.data.tasks, self.network_groups, modulation.groups, modulated=bool(modulation.points))
        check_sections_agree(self.data, self.augmentation, self.batches)
        return self


@lru_cache(maxsize=1024)
def _check_groups(tasks: tuple[str, ...], networks: Partition, vectors: Partition, *, modulated: bool) -> None:
    """Check that groups partition the tasks, once for all trials of an arm: a study has thousands of them."""
    for key, groups in (("network_groups", networks), ("modulation.groups", vectors)):
        members = [task for group in groups for task in group]
        if sorted(members) != sorted(tasks) or any(not group for group in groups):
            raise ValueError(f"{key} must name every task exactly once, got {groups} for tasks {tasks}")
    network_of = {task: index for index, group in enumerate(networks) for task in group}
    for group in vectors if modulated else ():
        if len({network_of[task] for task in group}) > 1:
            raise ValueError(f"modulation.groups: {list(group)} share vectors but belong to different networks")


def check_sections_agree(data: DataConfig, augmentation: AugmentationConfig, batches: BatchConfig) -> None:
    """Check constraints that span several sections.

    Raises:
        ValueError: Slots cannot be divided evenly among the tasks, or the crop is not smaller than the image. The
            message starts with the key.
    """
    block = 3 * len(data.tasks)
    if batches.scheme != "all_tasks" and batches.batch_size % block:
        rule = f"must be a multiple of {block} (3 x tasks) in the scheme {batches.scheme}"
        raise ValueError(f"batches.batch_size {rule}, got {batches.batch_size}")
    if augmentation.crop >= data.image_size:
        raise ValueError(f"augmentation.crop must be below data.image_size {data.image_size}, got {augmentation.crop}")
