"""Partitions of the tasks: in one order, restricted to a study's tasks, and drawn as controls of matched sizes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count

from search_spaces.names import nearest

Tasks = tuple[str, ...]
Partition = tuple[Tasks, ...]


def in_order(groups: Iterable[Iterable[str]], tasks: Tasks) -> Partition:
    """Return the groups with members in the order of ``tasks``, sorted by their first member."""
    ordered = (tuple(task for task in tasks if task in members) for members in map(frozenset, groups))
    return tuple(sorted(ordered, key=lambda group: tasks.index(group[0])))


def covering(groups: Partition, tasks: Tasks) -> Partition:
    """Return groups that must name every task exactly once, in order.

    Raises:
        ValueError: an unknown task, one named twice, or one that no group holds.
    """
    named = Counter(task for group in groups for task in group)
    for task, times in named.items():
        if task not in tasks:
            raise ValueError(f"unknown task {task!r}{nearest(task, tasks)}")
        if times > 1:
            raise ValueError(f"task {task!r} is named {times} times; groups name every task exactly once")
    missing = [task for task in tasks if task not in named]
    if missing:
        raise ValueError(f"no group holds {', '.join(map(repr, missing))}; groups name every task exactly once")
    return in_order(groups, tasks)


def restricted(name: str, groups: Partition, tasks: Tasks) -> Partition:
    """Return what is left of published groups when only ``tasks`` are there, in order; empty groups are dropped.

    Raises:
        ValueError: a task that none of the groups holds; the message says of which grouping.
    """
    known = [task for group in groups for task in group]
    for task in tasks:
        if task not in known:
            raise ValueError(f"grouping {name!r} holds no task {task!r}{_near(task, known)}")
    left = (frozenset(group) & frozenset(tasks) for group in groups)
    return in_order((group for group in left if group), tasks)


def drawn(sizes: Sequence[int], seed: int, tasks: Tasks, attempt: int = 0) -> Partition:
    """Return a random partition with groups of these sizes.

    Tasks are ranked by a BLAKE2b hash of seed, attempt and name, and groups are filled with them, the largest first. So
    the partition is a matter of the seed, the names and the sizes alone: no library's generator takes part, and neither
    does the order of tasks or sizes.

    Raises:
        ValueError: the sizes do not add up to the number of tasks.
    """
    if sum(sizes) != len(tasks):
        raise ValueError(f"sizes {list(sizes)} add up to {sum(sizes)}, but there are {len(tasks)} tasks")
    ranked = sorted(tasks, key=lambda task: hashlib.blake2b(json.dumps([seed, attempt, task]).encode()).digest())
    groups, first = [], 0
    for size in sorted(sizes, reverse=True):
        groups.append(ranked[first : first + size])
        first += size
    return in_order(groups, tasks)


def shuffled(groups: Partition, seed: int, tasks: Tasks) -> Partition:
    """Return a random partition of the same sizes, another than ``groups`` wherever there is another.

    There is none where all tasks are alone or all together.
    """
    groups = in_order(groups, tasks)
    if len(groups) in (1, len(tasks)):
        return groups
    sizes = [len(group) for group in groups]
    attempts = (drawn(sizes, seed, tasks, attempt) for attempt in count())
    return next(partition for partition in attempts if partition != groups)


def _near(task: str, known: Sequence[str]) -> str:
    """Return the nearest known task; all forty would be too long a message."""
    hint = nearest(task, known)
    return hint if "did you mean" in hint else ""
