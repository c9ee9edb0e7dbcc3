"""The queue against the slow way: look at every unit of every arm whenever one is asked for."""

from __future__ import annotations

import random

from study.schedule.unit_queue import UnitQueue
from study.schedule.units import WorkUnit

ARMS = ("first", "second", "third")


class Trial:
    """All that the queue looks at of a trial."""

    def __init__(self, trial_id):
        self.trial_id = trial_id


class Slow:
    """Keeps lists, and searches all of them."""

    def __init__(self):
        self.units = {arm: [] for arm in ARMS}
        self.left = dict.fromkeys(ARMS, 0.0)
        self.doubtful = dict.fromkeys(ARMS, ())
        self.barred = ()

    def put(self, arm, units, left, *, doubtful):
        self.units[arm], self.left[arm], self.doubtful[arm] = list(units), left, doubtful

    def take(self):
        found = [(arm, unit) for arm in ARMS if arm not in self.barred for unit in self.units[arm]]
        if not found:
            return None

        def urgency(pair):
            arm, unit = pair
            return unit.trial.trial_id not in self.doubtful[arm], not unit.alone, self.left[arm]

        arm, unit = max(found, key=urgency)
        self.units[arm].remove(unit)
        return unit


def test_it_hands_out_what_a_search_of_all_units_finds():
    chance = random.Random(1)  # noqa: S311 - a test
    queue, slow = UnitQueue(ARMS), Slow()
    handed_out = 0
    for step in range(3000):
        what = chance.random()
        if what < 0.2:
            arm = chance.choice(ARMS)
            units = [WorkUnit(Trial(f"{step}-{n}"), alone=chance.random() < 0.3) for n in range(chance.randrange(4))]
            doubtful = {unit.trial.trial_id for unit in units if chance.random() < 0.3}
            left = float(chance.randrange(3))  # ties
            queue.put(arm, units, left, doubtful=doubtful)
            slow.put(arm, units, left, doubtful=doubtful)
        elif what < 0.25:
            barred = {arm for arm in ARMS if chance.random() < 0.3}
            queue.bar(barred)
            slow.barred = barred
        else:
            expected = slow.take()
            assert queue.take() is expected
            handed_out += expected is not None
    assert handed_out > 300


def test_a_withheld_arm_does_not_count():
    queue = UnitQueue(ARMS)
    queue.put("first", [WorkUnit(Trial("a"))], 1.0)
    queue.bar({"first"})
    assert queue.is_empty
    queue.bar(())
    assert not queue.is_empty
