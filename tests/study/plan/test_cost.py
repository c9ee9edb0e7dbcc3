from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.plan.cost import concurrent_trials, expected_epochs, image_bytes, study_cost, usable_cpus
from study.plan.plan import StudyPlan, compile_plan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress
from study.status.timing import measured_epoch_seconds, probed_epoch_seconds


def changed(plan: StudyPlan, **sections: object) -> StudyDefinition:
    return StudyDefinition.model_validate({**plan.definition.to_dict(), **sections})


def test_epochs_without_halving(plan: StudyPlan) -> None:
    assert expected_epochs(plan.definition, 3) == (3 + 2) * 2


def test_epochs_with_halving(plan: StudyPlan) -> None:
    halving = {"rungs": [1, 4], "keep": 0.5}
    search = {"trials_per_arm": 6, "round_size": 4, "halving": halving}
    definition = changed(plan, search=search, optimization={"epochs": 10})
    first_round = 4 * 1 + 2 * 3 + 1 * 6
    second_round = 2 * 1 + 1 * 3 + 1 * 6
    assert expected_epochs(definition, definition.search.trials_per_arm) == first_round + second_round + 2 * 10


def test_concurrency_follows_cpus_and_the_limit(plan: StudyPlan) -> None:
    assert concurrent_trials(plan.definition) == usable_cpus()
    assert concurrent_trials(changed(plan, resources={"cpus": 1, "max_concurrent": 1})) == 1
    assert concurrent_trials(changed(plan, resources={"cpus": 10_000})) == 1
    assert concurrent_trials(changed(plan, resources={"max_concurrent": 10_000}), limit=1) == 1
    assert concurrent_trials(plan.definition, limit=10_000) == usable_cpus()


def test_bytes_of_decoded_images(plan: StudyPlan) -> None:
    assert image_bytes(plan.definition) == (24 + 12 + 12) * 48 * 48 * 3


def test_bytes_of_real_images(plan: StudyPlan, celeba10k: Path) -> None:
    data = {"source": {"kind": "parquet", "path": str(celeba10k)}, "tasks": ["Smiling"], "image_size": 10}
    assert image_bytes(changed(plan, data=data)) % (10 * 10 * 3) == 0


def test_cost_without_and_with_times(plan: StudyPlan) -> None:
    at_once = dict.fromkeys((arm.arm.arm_id for arm in plan.arms), 2)
    cost = study_cost(plan, None, None, at_once, 10**6)
    assert (cost.seconds, cost.wall_seconds, cost.source) == (None, None, None)
    assert (cost.tune_trials, cost.confirm_trials) == (3, 2)
    assert cost.disk_bytes == 10**6 + image_bytes(plan.definition)
    timed = study_cost(plan, {arm.arm.arm_id: 2.0 for arm in plan.arms}, "probe", at_once, 10**6)
    assert timed.seconds == {arm.arm.arm_id: 20.0 for arm in plan.arms}
    assert timed.wall_seconds == pytest.approx(60.0 / 2)


def test_times_from_finished_trials_are_scaled_to_other_arms(
    plan: StudyPlan, folder: RunFolder, journaling: Any
) -> None:
    assert measured_epoch_seconds(progress_of(plan, {}, DrawnRounds())) is None
    trial = progress_of(plan, {}, DrawnRounds()).arms[0][1].tune[0]
    journaling.start(trial, epochs=2)
    journaling.end(trial)
    seconds = measured_epoch_seconds(read_progress(folder, plan))
    assert seconds is not None
    shared, separate, _ = (seconds[arm.arm.arm_id] for arm in plan.arms)
    assert shared > 0
    assert separate == pytest.approx(2 * shared)  # two networks for two tasks


def test_times_from_a_probe(plan: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    seconds = probed_epoch_seconds(plan, steps=1)
    assert set(seconds) == {arm.arm.arm_id for arm in plan.arms}
    assert all(value > 0 for value in seconds.values())


def test_a_probe_times_trials_as_they_will_run(
    plan: StudyPlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("trainables.fused.timing.seconds_per_epoch_of_member", lambda *_: 3.0)
    monkeypatch.setattr("trainables.training.timing.seconds_per_epoch", lambda *_: 5.0)
    blocks = [{"placement": ["late"]}, {"placement": ["none"], "balancing": ["pcgrad"]}]
    changes = {"compute": {"fused": 2}, "space": {"blocks": blocks}}
    fused = compile_plan(StudyDefinition.model_validate({**plan.definition.to_dict(), **changes}))
    assert list(probed_epoch_seconds(fused).values()) == [3.0, 5.0]


@pytest.fixture
def explored(plan: StudyPlan) -> StudyPlan:
    """A study whose sampler has 127 arms to choose from, for six trials."""
    blocks = [{"placement": ["subsets"], "initialization": ["ones", "normal(1,0.1)"]}]
    space = {**plan.definition.space.written(), "blocks": blocks}
    return compile_plan(changed(plan, space=space, search={"mode": "explore", "trials": 6}))


def test_an_exploration_takes_the_time_of_its_trials_not_of_its_arms(explored: StudyPlan) -> None:
    at_once = dict.fromkeys((arm.arm.arm_id for arm in explored.arms), 2)
    cost = study_cost(explored, {arm.arm.arm_id: 2.0 for arm in explored.arms}, "probe", at_once, 10**6)
    assert len(explored.arms) > 100
    assert cost.wall_seconds == pytest.approx(6 * explored.definition.optimization.epochs * 2.0 / 2)


def test_a_probe_times_a_few_of_the_arms_of_an_exploration_and_scales_the_others(
    explored: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    work = {arm.arm.arm_id: arm.storage.multiply_adds_per_image for arm in explored.arms}
    timed = list[Any]()

    def seconds(config: Any, *_: Any) -> float:
        timed.append(config)
        return 1e-6 * next(work[arm.arm.arm_id] for arm in explored.arms if arm.config == config)

    monkeypatch.setattr("trainables.training.timing.seconds_per_epoch", seconds)
    found = probed_epoch_seconds(explored)
    assert len(timed) == 8
    assert found == pytest.approx({arm_id: 1e-6 * multiply_adds for arm_id, multiply_adds in work.items()})
