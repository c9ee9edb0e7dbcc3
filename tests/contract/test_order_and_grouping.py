"""The order of tasks in training, and groupings that are the same arm however they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces import SearchSpace
from study.definition.loading import load_study
from study.plan.plan import StudyPlan, compile_plan, plan_trial
from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.networks.modulation import FORMS
from trainables.sampling.triplet_store import TripletStore
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

TASKS = ("colour", "shape", "size")
TURNED = ("size", "colour", "shape")
COLUMNS = [TASKS.index(task) for task in TURNED]
STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")


def trial(tasks: tuple[str, ...], **sections: Any) -> TrialConfig:
    """Groups are written out, in one order, so that only the order of the tasks differs."""
    values: dict[str, Any] = {
        "data": {"tasks": tasks, "image_size": 48},
        "network": {"width": 0.0625},
        "modulation": {
            "points": ("res5", "fc"),
            "groups": tuple((task,) for task in TASKS),
            "initialization": {"kind": "normal"},
        },
        "batches": {"batch_size": 9},
        "optimization": {"optimizer": "sgd", "learning_rate": 1e-2, "steps_per_epoch": 3},
        "compute": {"device": "cpu"},
    }
    return TrialConfig.model_validate(values | sections)


@pytest.fixture(scope="module")
def split() -> Split:
    generator = np.random.default_rng(0)
    return Split(generator.integers(0, 256, (24, 48, 48, 3), dtype=np.uint8), generator.integers(0, 2, (24, 3)))


def trained(config: TrialConfig, split: Split) -> tuple[Learner, dict[str, float]]:
    order = [TASKS.index(task) for task in config.data.tasks]
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, Split(split.images, split.labels[:, order]), runtime)
        return learner, learner.run_epoch(1)


@pytest.mark.parametrize("method", ["equal", "mgda", "upgrad", "uncertainty"])
def test_the_order_of_tasks_changes_no_training_but_the_order_of_sums(method: str, split: Split) -> None:
    """Batches of ``all_tasks`` are drawn from images, not from tasks. Sums over tasks are taken in another order, so
    numbers agree to rounding, and trials of two orders are two trials.
    """
    (first, told), (second, again) = (
        trained(trial(tasks, balancing={"method": method}), split) for tasks in (TASKS, TURNED)
    )
    assert told.keys() == again.keys()
    for name, value in told.items():
        assert again[name] == pytest.approx(value, rel=2e-3, abs=1e-5), name
    state = second.model.state_dict()
    for name, tensor in first.model.state_dict().items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("scheme", ["triplets", "released"])
def test_batches_that_are_drawn_task_after_task_follow_the_order(scheme: str, split: Split) -> None:
    """One stream serves all tasks in turn, so another order is another sample: equally distributed, not the same."""
    rows = []
    for tasks in (TASKS, TURNED):
        config = trial(tasks, batches={"scheme": scheme, "batch_size": 18})
        with trial_runtime(config.compute) as runtime:
            order = [TASKS.index(task) for task in tasks]
            batches = Learner(config, Split(split.images, split.labels[:, order]), runtime).batches
        batch = next(iter(batches.epoch()))
        assert batch.task_index is not None
        rows.append({task: batch.rows[batch.task_index.numpy() == place] for place, task in enumerate(tasks)})
    first, second = rows
    assert any((first[task] != second[task]).any() for task in TASKS)
    labels = split.labels
    for drawn in rows:  # each is what it should be: a, p of one class, n of another
        for task, chosen in drawn.items():
            own = labels[chosen, TASKS.index(task)].reshape(-1, 3)
            assert (own[:, 0] == own[:, 1]).all()
            assert (own[:, 0] != own[:, 2]).all()


def test_frozen_triplets_belong_to_a_tasks_name_and_not_to_its_place(split: Split, tmp_path: Path) -> None:
    store = TripletStore(tmp_path, data_seed=3)
    drawn = [
        {task: store.load_or_draw("validation", task, split.labels[:, TASKS.index(task)], 20) for task in tasks}
        for tasks in (TASKS, TURNED)
    ]
    assert all((drawn[0][task] == drawn[1][task]).all() for task in TASKS)


@st.composite
def each_alone(draw: st.DrawFn) -> list[list[str]]:
    return [[task] for task in draw(st.permutations(TASKS))]


@settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(alone=each_alone(), scope=st.sampled_from(["modulation", "network"]), placement=st.sampled_from(["late", "fc"]))
def test_every_task_alone_is_one_arm_however_it_is_written(alone: list[list[str]], scope: str, placement: str) -> None:
    written = {"level": scope, "groups": alone, "name": "mine"}
    named = "per_task" if scope == "modulation" else "network_per_task"
    block = {"placement": [[placement] if placement == "fc" else placement], "grouping": [written, named]}
    expansion = SearchSpace.model_validate({"blocks": [block]}).expand(STAGES, TASKS, FORMS)
    (arm,) = expansion.arms
    assert expansion.duplicates == 1
    assert arm.levels["grouping"].name == named
    (alias,) = SearchSpace.model_validate({"blocks": [block | {"grouping": [named]}]}).arms(STAGES, TASKS, FORMS)
    assert (alias.arm_id, alias.name) == (arm.arm_id, arm.name)


STUDY = """
name: tiny
data:
  source: {{kind: generated, train_images: 24, validation_images: 12, test_images: 12}}
  tasks: [Smiling, Glasses]
  image_size: 48
network: {{width: 0.0625}}
space:
  blocks:
    - {{placement: [late], grouping: [{grouping}]}}
"""


def planned(folder: Path, grouping: str) -> StudyPlan:
    path = folder / "tiny.yaml"
    path.write_text(STUDY.format(grouping=grouping))
    return compile_plan(load_study(path))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("{level: modulation, groups: [[Glasses], [Smiling]]}", "per_task"),
        ("{level: network, groups: [[Glasses], [Smiling]]}", "network_per_task"),
        ("{level: modulation, groups: [[Glasses, Smiling]]}", "shared"),
        ("{level: network, groups: [[Glasses, Smiling]]}", "per_task"),
    ],
)
def test_the_same_grouping_is_the_same_trial(written: str, named: str, tmp_path: Path) -> None:
    """The same configuration under the same id: then the numbers are the same ones, not merely equal."""
    plans = [planned(tmp_path, grouping) for grouping in (written, named)]
    trials = [
        plan_trial(plan, plan.arms[0], stage="tune", round_=0, index=0, nuisance={}, train_seed=0) for plan in plans
    ]
    assert trials[0].trial_id == trials[1].trial_id
    assert trials[0].arm.arm_id == trials[1].arm.arm_id
    assert trials[0].config == trials[1].config
    assert plans[0].arms[0].storage == plans[1].arms[0].storage
