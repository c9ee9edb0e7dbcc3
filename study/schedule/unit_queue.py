"""The units that may run now, by arm, and the most urgent of them; a change costs what its own arm costs, no more."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Collection, Iterable

from study.schedule.units import WorkUnit

_Entry = tuple[bool, bool, float, int, int]
"""Of an arm's first unit: whether it would fail again, whether it needs a whole GPU, minus the work left in the arm,
place of the arm, version. The smallest entry is the most urgent."""


class UnitQueue:
    """Hands out the most urgent unit.

    Units that may succeed come first, then those that can share a GPU, then those of the arm with most work left; ties
    follow the order of arms, then that of an arm's units.

    Args:
        arm_ids: the arms, in order.
    """

    def __init__(self, arm_ids: Iterable[str]) -> None:
        self._arm_ids = tuple(arm_ids)
        self._places = {arm_id: place for place, arm_id in enumerate(self._arm_ids)}
        self._units: dict[str, deque[tuple[bool, WorkUnit]]] = {arm_id: deque() for arm_id in self._arm_ids}
        self._left: dict[str, float] = dict.fromkeys(self._arm_ids, 0.0)
        self._versions: Counter[str] = Counter()
        self._barred: frozenset[str] = frozenset()
        self._heap: list[_Entry] = []

    def put(self, arm_id: str, units: Iterable[WorkUnit], left: float, *, doubtful: Collection[str] = ()) -> None:
        """Replace the units of an arm.

        Args:
            arm_id: the arm.
            units: that may run now, in order.
            left: work left in the arm.
            doubtful: ids of trials that would probably fail again.
        """
        ranked = [(unit.trial.trial_id in doubtful, unit) for unit in units]
        ranked.sort(key=lambda entry: (entry[0], entry[1].alone))
        self._units[arm_id] = deque(ranked)
        self._left[arm_id] = left
        self._enter(arm_id)

    def note_left(self, arm_id: str, left: float) -> None:
        """Take note of the work left in an arm whose units are as before."""
        self._left[arm_id] = left
        self._enter(arm_id)

    def bar(self, arm_ids: Collection[str]) -> None:
        """Withhold the units of these arms, and of no others, until the next call."""
        before, self._barred = self._barred, frozenset(arm_ids)
        for arm_id in before - self._barred:
            self._enter(arm_id)

    def take(self) -> WorkUnit | None:
        """Remove and return the most urgent unit; None if there is none."""
        if self.is_empty:
            return None
        arm_id = self._arm_ids[self._heap[0][3]]
        _, unit = self._units[arm_id].popleft()
        self._enter(arm_id)
        return unit

    @property
    def is_empty(self) -> bool:
        """Whether no unit may be handed out."""
        while self._heap and not self._counts(self._heap[0]):
            heapq.heappop(self._heap)
        return not self._heap

    def _counts(self, entry: _Entry) -> bool:
        arm_id = self._arm_ids[entry[3]]
        return entry[4] == self._versions[arm_id] and arm_id not in self._barred

    def _enter(self, arm_id: str) -> None:
        """Outdate the arm's entry; make a new one for its first unit."""
        self._versions[arm_id] += 1
        if units := self._units[arm_id]:
            doubtful, unit = units[0]
            place, version = self._places[arm_id], self._versions[arm_id]
            heapq.heappush(self._heap, (doubtful, unit.alone, -self._left[arm_id], place, version))
