"""Partitions of tasks: canonical order, restriction to a study's tasks, and random controls of matched sizes."""

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
    """Return the groups in canonical order, after checking that they name every task exactly once.

    Raises:
        ValueError: A task is unknown, named more than once, or missing from all groups.
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
    """Return published groups restricted to ``tasks``, in canonical order and without empty groups.

    Raises:
        ValueError: A task is not in any of the groups; the message names the grouping.
    """
    known = [task for group in groups for task in group]
    for task in tasks:
        if task not in known:
            raise ValueError(f"grouping {name!r} holds no task {task!r}{_near(task, known)}")
    left = (frozenset(group) & frozenset(tasks) for group in groups)
    return in_order((group for group in left if group), tasks)


def drawn(sizes: Sequence[int], seed: int, tasks: Tasks, attempt: int = 0) -> Partition:
    """Return a random partition into groups of the given sizes.

    Tasks are ranked by a BLAKE2b hash of seed, attempt and name, and fill the groups in this order, starting with the
    largest group. The partition therefore depends only on seed, attempt, names and sizes, not on a library's random
    generator or on the order of tasks or sizes.

    Raises:
        ValueError: The sizes do not add up to the number of tasks.
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
    """Return a random partition with the same group sizes that differs from ``groups``.

    If all tasks are alone or all are together, no other partition exists, and ``groups`` is returned.
    """
    groups = in_order(groups, tasks)
    if len(groups) in (1, len(tasks)):
        return groups
    sizes = [len(group) for group in groups]
    attempts = (drawn(sizes, seed, tasks, attempt) for attempt in count())
    return next(partition for partition in attempts if partition != groups)


def _near(task: str, known: Sequence[str]) -> str:
    """Return a hint with the closest known task, or nothing: listing all forty would make the message too long."""
    hint = nearest(task, known)
    return hint if "did you mean" in hint else ""
