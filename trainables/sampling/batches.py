"""Which images make up a training step, in every scheme. Rows only: reading pixels is the caller's.

The samplers draw from a torch generator of their own, so their numbers depend on the seed and the labels alone, and
``state_dict`` (tensors only, safe for ``torch.load(weights_only=True)``) lets a run go on after any epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.config.trial import TrialConfig
from trainables.foundation.seeds import named_seed
from trainables.sampling.listed_triplets import TripletItems, triplet_items

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """One step: ``rows`` (B,) of the training split; ``task_index`` (B,) of each slot, or None for all tasks."""

    rows: Integers
    task_index: torch.Tensor | None = None


class Batches(Protocol):
    """A stream of steps that can be stopped and continued."""

    steps_per_epoch: int

    def epoch(self) -> Iterator[Batch]:
        """Yield the ``steps_per_epoch`` steps of the next epoch."""
        ...

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return everything the coming steps depend on."""
        ...

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        ...


def build_batches(config: TrialConfig, labels: Integers, listed: Mapping[str, Integers] | None = None) -> Batches:
    """Return the scheme that the configuration names, seeded with its ``train_seed``.

    Args:
        config: the trial.
        labels: (N, T) of the training split, columns in the order of ``config.data.tasks``, -1 = unlabelled.
        listed: published triplets (M, 3) of training rows by task, which the scheme ``triplets`` then takes.

    Raises:
        ValueError: a task cannot form a triplet or, in ``released``, is not binary; or there are fewer images than a
            batch takes.
    """
    tasks = config.data.tasks
    taken = (listed or {}) if config.batches.scheme == "triplets" else {}
    pools = tuple(triplet_items(labels[:, column], taken, task, "train") for column, task in enumerate(tasks))
    steps = config.optimization.steps_per_epoch
    per_task = config.batches.images // (3 * len(tasks))
    if config.batches.scheme == "triplets":
        return TripletBatches(pools, len(labels), per_task, config.train_seed, steps)
    if config.batches.scheme == "released":
        members = [released_lists(labels[:, column], task) for column, task in enumerate(tasks)]
        return ReleasedBatches(members, per_task, config.train_seed, steps)
    return AllTasksBatches(np.flatnonzero((labels >= 0).any(axis=1)), config.batches.images, config.train_seed, steps)


class AllTasksBatches:
    """``all_tasks``: every pass goes over the images that have any label, in a new order, without replacement.

    The images left over at the end of a pass, fewer than a batch, are dropped; since every pass is shuffled anew these
    are different ones each time, and no batch ever holds an image twice.
    """

    def __init__(self, rows: Integers, images: int, seed: int, steps_per_epoch: int | None = None) -> None:
        """Take ``images`` of ``rows`` a step; ``steps_per_epoch`` None means one pass.

        Raises:
            ValueError: fewer rows than ``images``.
        """
        if len(rows) < images:
            raise ValueError(f"batches.images is {images}, but only {len(rows)} training images have a label")
        self.steps_per_epoch = steps_per_epoch or len(rows) // images
        self._images = images
        self._generator = torch.Generator().manual_seed(named_seed(seed, "batches"))
        self._cycle = _ShuffledCycle(rows, self._generator)

    def epoch(self) -> Iterator[Batch]:
        """Yield the steps of the next epoch: rows only, all tasks on every image."""
        for _ in range(self.steps_per_epoch):
            if self._cycle.remaining < self._images:
                self._cycle.reshuffle()
            yield Batch(self._cycle.take(self._images))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the generator's state and the place in the current pass."""
        return {"generator": self._generator.get_state(), **self._cycle.state_dict()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._generator.set_state(state["generator"])
        self._cycle.load_state_dict(state)


class TripletBatches:
    """``triplets``: every task its own anchor, positive and negative images, in one batch.

    Slots are laid out task after task, and inside a task anchor, positive, negative in turn. A task's anchors are gone
    through in shuffled order, so that each is used once before any is used twice; a rare task wraps round more often.
    Partners are drawn anew each time. Departures from the released code (``ReleasedBatches``): anchors come from every
    class, the positive is never the anchor itself, and an epoch has as many slots as there are training images, instead
    of being as long as the positives of the first task.
    """

    def __init__(
        self, pools: tuple[TripletItems, ...], images: int, per_task: int, seed: int, steps_per_epoch: int | None = None
    ) -> None:
        """Take ``per_task`` triplets a step from every pool; ``images`` is the size of the training split."""
        slots = 3 * per_task * len(pools)
        self.steps_per_epoch = steps_per_epoch or max(1, images // slots)
        self._pools = pools
        self._per_task = per_task
        self._generator = torch.Generator().manual_seed(named_seed(seed, "batches"))
        self._cycles = tuple(_ShuffledCycle(pool.anchors, self._generator) for pool in pools)
        self._task_index = torch.arange(len(pools)).repeat_interleave(3 * per_task)

    def epoch(self) -> Iterator[Batch]:
        """Yield the steps of the next epoch: rows and the task of every slot."""
        for _ in range(self.steps_per_epoch):
            triplets = [self._draw(pool, cycle) for pool, cycle in zip(self._pools, self._cycles, strict=True)]
            yield Batch(np.concatenate(triplets).reshape(-1), self._task_index)

    def _draw(self, pool: TripletItems, cycle: _ShuffledCycle) -> Integers:
        anchors = cycle.take(self._per_task)
        uniform = torch.rand(2, len(anchors), dtype=torch.float64, generator=self._generator)
        return pool.complete(anchors, uniform.numpy())

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the generator's state and every task's place among its anchors."""
        state = {"generator": self._generator.get_state()}
        for task, cycle in enumerate(self._cycles):
            state |= {f"{key}.{task}": value for key, value in cycle.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._generator.set_state(state["generator"])
        for task, cycle in enumerate(self._cycles):
            cycle.load_state_dict({key: state[f"{key}.{task}"] for key in ("order", "cursor")})


def released_lists(labels: Integers, task: str) -> tuple[Integers, Integers]:
    """Return the rows (P,) that have the attribute of a binary task (class 1) and the rows (N,) that lack it.

    Raises:
        ValueError: the task has more than two classes; names it.
    """
    if labels.max() > 1:
        raise ValueError(
            f"task {task!r} on split 'train': the scheme released takes attributes (class 1 has it, class 0 lacks it),"
            f" but the task has a class {labels.max()}; use the scheme triplets"
        )
    return np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)


class ReleasedBatches:
    """``released``: the sampling of the released code (train_mm.py and facenet.py) with all its quirks.

    Of every task the images with and without the attribute are shuffled once, for the whole training. In every epoch
    the image at position i of the first list is anchor of one triplet: its positive is drawn from positions i to the
    end, so that it may be the anchor itself and late anchors have few partners, and its negative from all that lack the
    attribute. Step b takes the triplets b * K to b * K + K - 1 of every task, K the triplets a task and step, in the
    layout of ``TripletBatches``. An epoch ends with the list of the *first* task: shorter lists start again from their
    first triplet, with the same partners, and of longer ones the rest is not used until the next epoch, which starts
    every list from its beginning.

    Two departures without effect on the distribution, or on any data of a sensible size: the released code shuffles the
    negatives again in every epoch, from which it draws independently; and it leaves slots black where a task has fewer
    positives than triplets a step, which here start again as often as needed.
    """

    def __init__(
        self, members: Sequence[tuple[Integers, Integers]], per_task: int, seed: int, steps_per_epoch: int | None = None
    ) -> None:
        """Take ``per_task`` triplets a step from the (positives, negatives) of every task."""
        self.steps_per_epoch = steps_per_epoch or math.ceil(len(members[0][0]) / per_task)
        self._per_task = per_task
        self._generator = torch.Generator().manual_seed(named_seed(seed, "batches"))
        self._orders = {
            f"{name}.{task}": rows[torch.randperm(len(rows), generator=self._generator).numpy()]
            for task, lists in enumerate(members)
            for name, rows in zip(("positives", "negatives"), lists, strict=True)
        }
        self._tasks = len(members)
        self._task_index = torch.arange(self._tasks).repeat_interleave(3 * per_task)

    def epoch(self) -> Iterator[Batch]:
        """Yield the steps of the next epoch: rows and the task of every slot."""
        triplets = [self._draw(task) for task in range(self._tasks)]
        for step in range(self.steps_per_epoch):
            places = np.arange(step * self._per_task, (step + 1) * self._per_task)
            chosen = [drawn[places % len(drawn)] for drawn in triplets]
            yield Batch(np.concatenate(chosen).reshape(-1), self._task_index)

    def _draw(self, task: int) -> Integers:
        """Return the epoch's triplets (P, 3) of a task, in the order of its positives."""
        positives, negatives = self._orders[f"positives.{task}"], self._orders[f"negatives.{task}"]
        uniform = torch.rand(2, len(positives), dtype=torch.float64, generator=self._generator).numpy()
        place = np.arange(len(positives))
        partner = place + (uniform[0] * (len(positives) - place)).astype(np.int64)
        negative = (uniform[1] * len(negatives)).astype(np.int64)
        return np.stack([positives, positives[partner], negatives[negative]], axis=1)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the generator's state and the order of every list."""
        orders = {name: torch.from_numpy(rows.copy()) for name, rows in self._orders.items()}
        return {"generator": self._generator.get_state(), **orders}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on after the epoch in which ``state_dict`` was taken."""
        for name, rows in self._orders.items():
            _check_same_images(state[name], torch.from_numpy(rows))
        self._orders = {name: state[name].numpy().copy() for name in self._orders}
        self._generator.set_state(state["generator"])


def _check_same_images(saved: torch.Tensor, present: torch.Tensor) -> None:
    if not torch.equal(saved.sort().values, present.sort().values):
        raise ValueError(
            f"the saved order of {len(saved)} images is not one of these {len(present)} images: "
            "the state belongs to other data"
        )


class _ShuffledCycle:
    """Items in shuffled order, again and again; the order and the place in it can be saved."""

    def __init__(self, items: Integers, generator: torch.Generator) -> None:
        self._items = torch.from_numpy(np.ascontiguousarray(items))
        self._generator = generator
        self.reshuffle()

    @property
    def remaining(self) -> int:
        return len(self._order) - self._cursor

    def reshuffle(self) -> None:
        self._order = self._items[torch.randperm(len(self._items), generator=self._generator)]
        self._cursor = 0

    def take(self, count: int) -> Integers:
        """Return the next ``count`` items, going on with a new order when this one is used up."""
        parts = []
        while count:
            if not self.remaining:
                self.reshuffle()
            part = self._order[self._cursor : self._cursor + count]
            self._cursor += len(part)
            count -= len(part)
            parts.append(part)
        taken: Integers = torch.cat(parts).numpy()
        return taken

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"order": self._order.clone(), "cursor": torch.tensor(self._cursor)}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        _check_same_images(state["order"], self._items)
        self._order = state["order"].clone()
        self._cursor = int(state["cursor"])
