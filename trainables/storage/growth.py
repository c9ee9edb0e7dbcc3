"""An arm for another number of tasks: how its groups and networks grow."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np

from trainables.config.modulation import Partition
from trainables.config.trial import TrialConfig

_AT_ONCE = 2**22


def with_tasks(config: TrialConfig, tasks: int) -> TrialConfig:
    """Return an arm as it would be for another number of tasks.

    One group of all tasks stays one group (of a single task: vectors of each task, one network). Otherwise groups keep
    their mean size, rounded, so that vectors or networks of each task stay those of each task. With its own number of
    tasks the arm stays as it is.

    Raises:
        ValueError: There is no task.
    """
    if tasks < 1:
        raise ValueError(f"tasks must be at least 1, got {tasks}")
    before = len(config.data.tasks)
    if tasks == before:
        return config
    names = tuple(f"task-{number}" for number in range(1, tasks + 1))
    networks = _partition(names, _scaled(len(config.network_groups), before, tasks))
    alone = tasks if before == 1 else _scaled(len(config.modulation.groups), before, tasks)
    groups = _partition(names, alone)
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"tasks": names}),
            "network_groups": networks,
            "modulation": config.modulation.model_copy(update={"groups": _refined(groups, networks)}),
        }
    )


def _scaled(groups: int, before: int, tasks: int) -> int:
    return 1 if groups == 1 else max(1, round(groups * tasks / before))


def _partition(names: tuple[str, ...], count: int) -> Partition:
    """Return contiguous groups of nearly equal size."""
    bounds = [index * len(names) // count for index in range(count + 1)]
    return tuple(names[start:end] for start, end in itertools.pairwise(bounds))


def _refined(groups: Partition, networks: Partition) -> Partition:
    """Return the groups cut at the networks' borders, since no group spans two networks."""
    cut = (tuple(task for task in group if task in network) for network in map(set, networks) for group in groups)
    return tuple(group for group in cut if group)


def branches_of(config: TrialConfig) -> Counter[int]:
    """Return the numbers of networks by their number of branches."""
    groups = config.modulation.groups if config.modulation.points else config.network_groups
    return Counter(
        sum(not network.isdisjoint(group) for group in groups) for network in map(set, config.network_groups)
    )


def branches_of_networks(config: TrialConfig, tasks: int) -> Counter[int]:
    """Return the numbers of networks by their number of branches, as ``with_tasks`` makes them; counts, makes no group.

    Networks and groups are contiguous, so a network has as many branches as groups from that of its first task to that
    of its last. Both partitions repeat after the greatest common divisor of their numbers and that of the tasks.
    """
    before = len(config.data.tasks)
    networks = _scaled(len(config.network_groups), before, tasks)
    if not config.modulation.points:
        return Counter({1: networks})
    groups = tasks if before == 1 else _scaled(len(config.modulation.groups), before, tasks)
    times = math.gcd(tasks, networks, groups)
    tasks, networks, groups = tasks // times, networks // times, groups // times
    found: Counter[int] = Counter()
    for start in range(0, networks, _AT_ONCE):
        bounds = np.arange(start, min(start + _AT_ONCE, networks) + 1, dtype=np.int64) * tasks // networks
        first, last = (((task + 1) * groups - 1) // tasks for task in (bounds[:-1], bounds[1:] - 1))
        numbers, counts = np.unique(last - first + 1, return_counts=True)
        found.update(dict(zip(numbers.tolist(), (counts * times).tolist(), strict=True)))
    return found


def with_branches(config: TrialConfig, networks: Counter[int]) -> TrialConfig:
    """Return an arm with so many networks of each number of branches, one task a branch."""
    sizes = sorted(networks.elements())
    names = tuple(f"task-{number}" for number in range(1, sum(sizes) + 1))
    ends = tuple(itertools.accumulate(sizes))
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"tasks": names}),
            "network_groups": tuple(names[end - size : end] for size, end in zip(sizes, ends, strict=True)),
            "modulation": config.modulation.model_copy(update={"groups": tuple((name,) for name in names)}),
        }
    )
