"""The recipes that come as built-in studies, against the constants of the code they follow."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from study.definition.loading import built_in_studies, parse_study
from study.definition.model import StudyDefinition
from study.definition.yaml_reader import StrictLoader
from study.plan.plan import compile_plan, plan_trial
from trainables.config.trial import TrialConfig
from trainables.outcome import EpochRecord
from trainables.run import run_trial
from trainables.sampling.batch import TrainingLabels
from trainables.sampling.batches import build_batches as batches_of
from trainables.training.optimization import schedule_factor

ATTRIBUTES = ("Smiling", "Oval_Face", "5_o_Clock_Shadow", "Bald", "Arched_Eyebrows", "Big_Lips", "Big_Nose")


def build_batches(config, labels, listed=None):
    training = TrainingLabels(config.data.tasks, labels, listed or {})
    return batches_of(config.batches, training, config.train_seed, config.optimization.steps_per_epoch)


def values_of(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.load(built_in_studies()[name].read_text(), Loader=StrictLoader)  # noqa: S506
    return values


def on_parquet(name: str, folder: Path) -> StudyDefinition:
    """The preset with its source exchanged for Parquet files, which hold the same tasks."""
    values = values_of(name)
    values["data"]["source"] = {"kind": "parquet", "path": str(folder)}
    return parse_study(folder / "study.yaml", yaml.safe_dump(values))


@pytest.fixture
def released(tmp_path: Path) -> StudyDefinition:
    return on_parquet("released", tmp_path)


@pytest.mark.parametrize("name", ["released", "modern"])
def test_every_arm_is_planned(name: str, tmp_path: Path) -> None:
    plan = compile_plan(on_parquet(name, tmp_path), data_fingerprint="0" * 32)
    names = {arm.arm.name for arm in plan.arms}
    assert names >= {"shared", "late"}
    assert (len(plan.arms), plan.definition.data.tasks) == ({"released": 2, "modern": 6}[name], ATTRIBUTES)


def test_released_has_the_parameters_of_the_released_network(released: StudyDefinition) -> None:
    plan = compile_plan(released, data_fingerprint="0" * 32)
    storage = {arm.arm.name: arm.storage for arm in plan.arms}
    assert storage["shared"].parameters == 2_953_664
    assert storage["late"].parameters == 2_953_664 + 7 * 512 == 2_957_248
    assert storage["late"].added_parameters_per_task == 512
    late = next(arm.config for arm in plan.arms if arm.arm.name == "late")
    assert late.modulation.points == ("res4", "res5", "fc")
    assert (late.modulation.initialization.kind, late.modulation.activation) == ("ones", "relu")
    assert {plan.tune_trials(arm) for arm in plan.arms} == {1}  # a recipe, nothing to tune


def test_released_learning_rates(released: StudyDefinition) -> None:
    optimization, steps = released.optimization, 3
    assert (optimization.optimizer, optimization.learning_rate, optimization.epochs) == ("adagrad", 0.01, 100)
    rates = {
        epoch: optimization.learning_rate * schedule_factor(optimization, epoch * steps, steps)
        for epoch in (0, 38, 39, 78, 79, 99)
    }
    assert rates == pytest.approx({0: 1e-2, 38: 1e-2, 39: 1e-3, 78: 1e-3, 79: 1e-4, 99: 1e-4})


def test_released_batches_on_real_labels(released: StudyDefinition, celeba10k: Path) -> None:
    table = pq.read_table(celeba10k / "data" / "train-00000-of-00001.parquet", columns=list(ATTRIBUTES))
    labels = np.stack([table.column(task).to_numpy() for task in ATTRIBUTES], axis=1)
    config = compile_plan(released, data_fingerprint="0" * 32).arms[0].config
    batches = build_batches(config, labels)
    assert batches.steps_per_epoch == -(-int(labels[:, 0].sum()) // 8) == 422
    for batch in islice(batches.epoch(), 3):
        assert batch.task_index is not None
        assert batch.task_index.tolist() == [task for task in range(7) for _ in range(24)]
        for task in range(7):
            own = labels[batch.rows[24 * task : 24 * (task + 1)], task]
            assert own.tolist() == [1, 1, 0] * 8


@pytest.fixture(scope="module")
def few_faces(celeba10k: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few dozen real faces of every split, six bald ones among them."""
    folder = tmp_path_factory.mktemp("faces")
    for split in ("train", "validation", "test"):
        (source,) = (celeba10k / "data").glob(f"{split}-*.parquet")
        table = pq.ParquetFile(source).read_row_group(0)
        bald = np.flatnonzero(table.column("Bald").to_numpy())[:6]
        rows = np.union1d(bald, np.arange(50))
        assert len(bald) == 6
        pq.write_table(table.take(pa.array(rows)), folder / f"{split}.parquet")
    return folder


def test_the_released_recipe_trains_on_real_faces(few_faces: Path, tmp_path: Path) -> None:
    plan = compile_plan(on_parquet("released", few_faces))
    arm = next(arm for arm in plan.arms if arm.arm.name == "late")
    planned = plan_trial(plan, arm, stage="tune", round_=1, index=0, nuisance={}, train_seed=0)
    values = planned.config.model_dump(mode="json", by_alias=False)
    values["data"]["image_size"], values["network"]["width"] = 48, 0.125
    values["batches"]["batch_size"] = 42
    values["evaluation"] |= {"triplets_per_task": 50, "validate_every": 2}
    values["optimization"]["epochs"] = 3
    config = TrialConfig.model_validate(values)
    told: list[EpochRecord] = []
    outcome = run_trial(config, report=told.append, workspace=tmp_path / "trial", cache=tmp_path / "cache")
    assert outcome.finished
    assert {row.task for row in outcome.task_metrics} == set(ATTRIBUTES)
    labels = np.stack([pq.read_table(few_faces / "train.parquet").column(task) for task in ATTRIBUTES], axis=1)
    steps = -(-int(labels[:, 0].sum()) // 2)
    assert told[0].metrics["train/valid_triplets"] == steps * 14
    assert [record.metrics["optimization/learning_rate"] for record in told] == pytest.approx([1e-2, 1e-2, 1e-3])
    assert all(np.isfinite(record.metrics["train/loss"]) for record in told)


def test_csn_in_the_sections_that_follow_its_main_py() -> None:
    """lr 5e-5 * 0.985 ** epoch with epochs from 1 to 200; 100,000 triplets in batches of 256."""
    values = values_of("csn")
    sections = ("batches", "optimization", "augmentation")
    definition = StudyDefinition.model_validate(
        {"name": "csn", "data": {"tasks": values["data"]["tasks"], "preprocessing": values["data"]["preprocessing"]}}
        | {section: values[section] for section in sections}
    )
    optimization = definition.optimization
    steps = optimization.steps_per_epoch
    assert steps == -(-100_000 // 256)
    rates = [
        optimization.learning_rate * schedule_factor(optimization, epoch * steps, steps)
        for epoch in range(optimization.epochs)
    ]
    assert rates == pytest.approx([5e-5 * (1 - 0.015) ** epoch for epoch in range(1, 201)], rel=1e-9)
    assert (definition.batches.batch_size, definition.batches.passes) == (256 * 3, "separate")
    assert definition.augmentation.flip


def test_csn_loads_and_has_its_three_ways_to_mask(tmp_path: Path) -> None:
    """Needs the backbone csn_resnet18, the source zappos50k and the penalties of the loss."""
    values = values_of("csn")
    values["data"]["source"] = {"kind": "parquet", "path": str(tmp_path)}
    definition = parse_study(tmp_path / "study.yaml", yaml.safe_dump(values))
    plan = compile_plan(definition, data_fingerprint="0" * 32)
    storage = {arm.arm.name: arm.storage for arm in plan.arms}
    masks = ("embedding+disjoint(0)-frozen", "embedding+normal(0.9,0.7)", "embedding+disjoint(0.1)")
    assert set(storage) == {"shared", *masks}
    assert storage["shared"].parameters == 2_799_232
    assert all(storage[name].added_parameters == 256 for name in masks)
