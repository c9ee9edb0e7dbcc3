"""A unit keeps the records and files of single trials, and resumes them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainables.config.trial import TrialConfig
from trainables.failures import DivergedError
from trainables.fused.unit import PENDING_FILE, Member, Result, run_fused
from trainables.outcome import EpochRecord, TrialOutcome
from trainables.trial import CHECKPOINT_FILE, WEIGHTS_FILE, Trial

SLOTS = 3


class Unit:
    """A unit of trials in a folder of its own, which can be run again."""

    def __init__(self, configs: Sequence[TrialConfig], folder: Path, cache: Path) -> None:
        self.configs, self.folder, self.cache = list(configs), folder, cache
        self.reported: dict[int, list[EpochRecord]] = {}

    def workspace(self, slot: int) -> Path:
        return self.folder / str(slot)

    def run(self, until: int | None = None, slots: Sequence[int] = range(SLOTS)) -> tuple[Result | None, ...]:
        self.reported = {slot: [] for slot in slots}
        members = [
            Member(self.configs[slot], self.reported[slot].append, self.workspace(slot)) if slot in slots else None
            for slot in range(SLOTS)
        ]
        return run_fused(members, cache=self.cache, until_epoch=until)

    def curves(self, slot: int) -> list[dict[str, float]]:
        return [record.metrics for record in self.reported[slot]]


@pytest.fixture
def unit_in(tmp_path: Path, config_of: Callable[..., TrialConfig], cache: Path) -> Callable[..., Unit]:
    def make(name: str, **sections: dict[str, object]) -> Unit:
        return Unit([config_of(slot, **sections) for slot in range(SLOTS)], tmp_path / name, cache)

    return make


Calm = tuple[Unit, tuple[Result | None, ...]]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, config_of: Callable[..., TrialConfig], cache: Path) -> Calm:
    """A unit that nothing disturbed, and its results."""
    unit = Unit([config_of(slot) for slot in range(SLOTS)], tmp_path_factory.mktemp("calm"), cache)
    return unit, unit.run()


def measured(results: Sequence[Result | None]) -> list[object]:
    """What of the outcomes is a result: not peak memory, nor where the weights are."""
    assert all(isinstance(result, TrialOutcome) for result in results)
    return [replace(result, peak_memory_bytes=0, weights_file=None) for result in results]  # type: ignore[type-var]


def test_the_members_finish_as_single_trials_do(unit_in: Callable[..., Unit]) -> None:
    unit = unit_in("unit")

    outcomes = unit.run()

    for slot, outcome in enumerate(outcomes):
        assert isinstance(outcome, TrialOutcome)
        assert outcome.finished
        assert [file.name for file in unit.workspace(slot).iterdir()] == [WEIGHTS_FILE]
        assert [record.epoch for record in unit.reported[slot]] == [1, 2, 3]
    assert measured(unit.run()) == measured(outcomes), "finished members are measured again from their weights"
    assert all(record.earlier for record in unit.reported[0])


@pytest.mark.parametrize("where", ["in the second report", "before a checkpoint", "between two renames"])
def test_an_interruption_changes_no_number(
    where: str, unit_in: Callable[..., Unit], calm: Calm, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, expected = calm
    unit = unit_in("interrupted")

    class KilledError(Exception):
        pass

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        if where == "in the second report":
            original = Trial.end_epoch
            patch.setattr(Trial, "end_epoch", lambda t, r, c: die() if r.epoch == 2 else original(t, r, c))
        elif where == "before a checkpoint":
            save = Trial.save
            patch.setattr(
                Trial, "save", lambda t, p=None: die() if t.epoch == 2 and p.parent.name == "1" else save(t, p)
            )
        else:
            rename = Path.replace
            patch.setattr(
                Path,
                "replace",
                lambda path, to: (
                    die()
                    if path.name == PENDING_FILE and path.parent.name == "1" and len(unit.reported[0]) == 2
                    else rename(path, to)
                ),
            )
        with pytest.raises(KilledError):
            unit.run()

    assert measured(unit.run()) == measured(expected)
    assert [record.earlier for record in unit.reported[1]].count(True) >= 1, "at most an epoch was lost"
    for slot in range(SLOTS):
        assert unit.curves(slot) == undisturbed.curves(slot)
        files = [load_file(each.workspace(slot) / WEIGHTS_FILE) for each in (unit, undisturbed)]
        torch.testing.assert_close(*files, rtol=0, atol=0)
        assert [file.name for file in unit.workspace(slot).iterdir()] == [WEIGHTS_FILE]


def test_pruned_members_leave_at_a_rung(unit_in: Callable[..., Unit], calm: Calm) -> None:
    undisturbed, expected = calm
    halved = unit_in("halved")

    rung = halved.run(until=1)
    assert all(isinstance(each, TrialOutcome) and not each.finished for each in rung)
    again = halved.run(until=1)
    assert measured(again) == measured(rung)
    survivors = halved.run(slots=[0, 2])

    assert survivors[1] is None
    assert measured([survivors[0], survivors[2]]) == measured([expected[0], expected[2]])
    assert halved.curves(2) == undisturbed.curves(2)


def test_a_member_that_joins_later_gets_its_numbers(unit_in: Callable[..., Unit], calm: Calm) -> None:
    _, expected = calm
    grown = unit_in("grown")

    grown.run(slots=[0, 1])
    joined = grown.run(slots=[2])

    assert measured(joined[2:]) == measured(expected[2:])


def test_only_the_member_that_diverges_fails(
    unit_in: Callable[..., Unit], calm: Calm, config_of: Callable[..., TrialConfig]
) -> None:
    _, expected = calm
    unit = unit_in("wild")
    unit.configs[1] = config_of(1, optimization={"learning_rate": 1e38})

    outcomes = unit.run()

    assert isinstance(outcomes[1], DivergedError)
    assert unit.reported[1] == []
    assert measured([outcomes[0], outcomes[2]]) == measured([expected[0], expected[2]])


def test_members_resume_from_the_last_epoch_they_share(
    unit_in: Callable[..., Unit], monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = unit_in("unit")
    unit.run(until=2)
    (unit.workspace(1) / CHECKPOINT_FILE).unlink()
    resumed: list[int] = []
    original = Trial.resume
    monkeypatch.setattr(Trial, "resume", lambda t, found: (resumed.append(found.epoch), original(t, found)))

    outcomes = unit.run()

    assert resumed == [], "a member has lost its checkpoint, so all start over"
    assert all(isinstance(outcome, TrialOutcome) and outcome.finished for outcome in outcomes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"optimization": {"optimizer": "sgd"}},
            "may differ in learning rates, decay, margin, penalties and seed only",
        ),
        ({"loss": {"embedding_l2": 0.1}}, "may differ in"),
    ],
)
def test_members_that_differ_in_more_are_refused(
    change: dict[str, dict[str, object]],
    words: str,
    unit_in: Callable[..., Unit],
    config_of: Callable[..., TrialConfig],
) -> None:
    unit = unit_in("unit")
    unit.configs[2] = config_of(2, **change)

    with pytest.raises(ValueError, match=words):
        unit.run()


def test_the_number_of_slots_is_that_of_the_configuration(
    unit_in: Callable[..., Unit], config_of: Callable[..., TrialConfig]
) -> None:
    unit = unit_in("unit")
    unit.configs = [config_of(slot, fused=4) for slot in range(SLOTS)]

    with pytest.raises(ValueError, match=r"compute\.fused is 4, but the unit has 3 slots"):
        unit.run()
