"""What a run will write at most, against slow counts of what it may write; and the refusal to start without room."""

from __future__ import annotations

import random
from itertools import combinations, product
from types import SimpleNamespace

import pytest

from study.definition.model import StudyDefinition
from study.errors import UserError
from study.layout import RunFolder
from study.plan.plan import compile_plan, plan_trial
from study.retention import space
from study.retention.forecast import checkpoint_bytes, run_bytes, weights_bytes
from study.retention.space import refuse_too_little_space, run_space
from study.schedule.units import WorkUnit
from trainables.run import run_trial

NUISANCE = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}


def _trial(plan, arm, stage="tune"):
    return plan_trial(plan, arm, stage=stage, round_=0, index=0, nuisance={"learning_rate": 0.01}, train_seed=1)


def test_no_file_is_larger_than_it_was_said_to_be(make_plan, tiny_study, tmp_path):
    blocks = [
        {"placement": ["none"], "grouping": ["per_task", "network_per_task"]},
        {"placement": ["all"], "form": ["weight_mask", "batch_norm"], "grouping": ["per_task"]},
    ]
    document = tiny_study(
        space={"blocks": blocks, "nuisance": NUISANCE}, network={"width": 0.125}, optimization={"epochs": 2}
    )
    plan = compile_plan(StudyDefinition.model_validate({"name": "sizes", **document}))
    assert len(plan.arms) == 4
    for arm in plan.arms:
        own = tmp_path / arm.arm.name
        config = _trial(plan, arm).config
        rest = {"report": lambda _record: None, "workspace": own, "cache": tmp_path / "cache"}
        run_trial(config, until_epoch=1, **rest)
        written = (own / "checkpoint.pt").stat().st_size
        assert written <= checkpoint_bytes(arm) <= 3 * written, arm.arm.name
        run_trial(config, **rest)
        written = (own / "weights.safetensors").stat().st_size
        assert written <= weights_bytes(arm) <= 3 * written, arm.arm.name


def test_weights_are_those_that_retention_keeps_until_the_end(make_plan):
    for weights, tune, confirm in (("all", 5, 2), ("front", 0, 2), ("best", 0, 2), ("none", 0, 0)):
        plan = make_plan(retention={"weights": weights})
        sizes = [weights_bytes(arm) for arm in plan.arms for _ in range(tune + confirm)]
        assert run_bytes(plan).weights == sum(sizes), weights


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("fused", [1, 2])
def test_checkpoints_in_flight_are_the_largest_that_may_be_there_together(make_plan, at_once, fused):
    plan = make_plan(search={"trials_per_arm": 3, "round_size": 3}, compute={"fused": fused})
    assert len({checkpoint_bytes(arm) for arm in plan.arms}) > 1
    units = []
    for arm in plan.arms:
        trials = [checkpoint_bytes(arm)] * 3
        units += [sum(trials[start : start + fused]) for start in range(0, 3, fused)]
    most = max(sum(chosen) for chosen in combinations(units, min(at_once, len(units))))
    assert run_bytes(plan, at_once).in_flight == 2 * most


@pytest.mark.parametrize("keep", [0.5, 0.9])
@pytest.mark.parametrize("mode", ["synchronous", "asynchronous"])
@pytest.mark.parametrize("workers", [1, 4])
def test_paused_trials_keep_their_checkpoints(make_plan, simulate, keep, mode, workers):
    halving = {"rungs": [1, 2], "keep": keep, "mode": mode}
    plan = make_plan(search={"trials_per_arm": 6, "round_size": 3, "halving": halving})
    sizes = {arm.arm.arm_id: checkpoint_bytes(arm) for arm in plan.arms}
    forecast, most = run_bytes(plan, workers), 0
    for seed in range(3):
        run, chance = simulate(plan, f"run-{seed}"), random.Random(seed)  # noqa: S311
        flying: list[WorkUnit] = []
        while not run.dispatcher.exhausted:
            while len(flying) < workers and (unit := run.dispatcher.next_unit()) is not None:
                flying.append(unit)
            run.finish(flying.pop(chance.randrange(len(flying))))
            states = run.dispatcher.states.values()
            paused = [state.history.planned["arm"] for state in states if state.history.state == "paused"]
            most = max(most, sum(sizes[arm["arm_id"]] for arm in paused))
    assert 0 < most <= forecast.paused == 3 * sum(sizes.values())
    if (keep, mode, workers) == (0.9, "synchronous", 4):
        assert most == forecast.paused, "all trials of a round of every arm wait together"


@pytest.mark.parametrize("trials", [1, 2, 4])
@pytest.mark.parametrize("weights", ["all", "front", "none"])
def test_exploring_keeps_what_its_trials_and_its_front_may_write(make_plan, trials, weights):
    plan = make_plan(search={"mode": "explore", "trials": trials}, retention={"weights": weights})
    keeps, most = plan.definition.retention.keeps_weights_of, 0
    for proposed in product(plan.arms, repeat=trials):
        tune = sum(keeps("tune") * weights_bytes(arm) for arm in proposed)
        there = {arm.arm.arm_id: arm for arm in proposed}.values()
        for size in range(1, len(there) + 1):
            for front in combinations(there, size):
                confirm = sum(2 * keeps("confirm") * weights_bytes(arm) for arm in front)
                most = max(most, tune + confirm)
    assert run_bytes(plan).weights == most


def test_what_is_there_of_the_plan_need_not_come_any_more(make_plan, tmp_path):
    plan, folder = make_plan(retention={"weights": "front"}), RunFolder(tmp_path / "new" / "run")
    most = run_bytes(plan, 2)
    assert run_space(folder, plan, 2).needed_bytes == most.total
    tune, confirm = (_trial(plan, plan.arms[0], stage) for stage in ("tune", "confirm"))
    for trial_id in (tune.trial_id, confirm.trial_id, "of-another-edition"):
        own = folder.trial(trial_id)
        own.path.mkdir(parents=True)
        own.weights.write_bytes(bytes(1000))
        own.checkpoint.write_bytes(bytes(500))
    known = run_space(folder, plan, 2, [tune, confirm])
    assert known.used_bytes == 4500
    assert known.needed_bytes == most.total - 1000, "those of the confirm trial; trials at work have new checkpoints"
    assert run_space(folder, plan, 2).needed_bytes == most.total - 3000


def test_a_run_is_refused_where_its_rest_does_not_fit(make_plan, tmp_path, monkeypatch):
    plan, folder = make_plan(), RunFolder(tmp_path / "run")
    monkeypatch.setattr(space, "_LEAST_BYTES", 0)
    monkeypatch.setattr(space, "shutil", SimpleNamespace(disk_usage=lambda _path: SimpleNamespace(free=free)))
    free = run_bytes(plan, 1).total
    refuse_too_little_space(folder, plan, 1)
    with pytest.raises(UserError, match=r"run: weights and checkpoints of this study need about .* GB more, and .* GB"):
        refuse_too_little_space(folder, plan, 2)
