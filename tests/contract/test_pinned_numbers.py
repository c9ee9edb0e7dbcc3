"""Numbers that no change of the code's structure may move: ids of planned trials, and the metrics of short trials."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.definition.loading import built_in_studies, load_study
from study.plan.device import ON_THE_CPU, PlannedDevice
from study.plan.plan import PlannedTrial, compile_plan, plan_trial
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of
from trainables.config.trial import TrialConfig
from trainables.outcome import EpochRecord, select
from trainables.run import run_trial

EVERY_SECTION = """
name: every-section
data:
  source: {kind: generated, train_images: 60, validation_images: 30, test_images: 30}
  tasks: [Smiling, Mouth_Open, Glasses, Hat]
  image_size: 48
  fit: pad
  preprocessing: imagenet
augmentation: {flip: true, crop: 4}
network: {backbone: csn_resnet18, width: 0.25, embedding_size: 32, batch_norm_momentum: 0.05}
batches: {scheme: triplets, batch_size: 36, passes: separate}
loss: {margin: 0.3, distance: euclidean, normalize: false, embedding_l2: 1e-3, mask_l1: 1e-4}
balancing: {cagrad_c: 0.5, dwa_temperature: 1.5, famo_learning_rate: 0.05, gradnorm_alpha: 1.0}
optimization:
  {optimizer: sgd, weight_decay: 1e-4, schedule: exponential, decay_per_epoch: 0.9, epochs: 4, steps_per_epoch: 3}
evaluation: {triplets_per_task: 50, validate_every: 2, max_images: 25}
agreement: {every_epochs: 2, images: 12}
compute: {device: cpu, channels_last: false}
seeds: {data_seed: 3, tune_seed: 5}
space:
  blocks:
    - placement: [none]
      grouping: [per_task, network_per_task, {level: network, groups: [[Smiling, Mouth_Open], [Glasses, Hat]]}]
      balancing: [equal, dwa]
    - placement: [none]
      balancing: [pcgrad, cagrad, mgda, nash_mtl, uncertainty, gradnorm, famo]
    - placement: [embedding, late, all, [layer1, layer3]]
      initialization: [ones, csn-fixed, csn-learned, csn-blocks, "uniform(0,1)-frozen", "constant(0.5)", "binary(0.25)"]
      grouping: [per_task, shared, {groups: {random: {sizes: [3, 1], seed: 1}}, name: drawn}]
      activation: [relu, sigmoid, none]
    - placement: [suffixes]
      form: [scale_shift, low_rank(2), projection, squeeze_excite(4), own]
    - placement: [all]
      form: [batch_norm, batch_norm_statistics, batch_norm_bias, batch_norm_affine, parallel_adapter]
    - placement: [all]
      form: [low_rank_convolution(2), filter_mixing, task_routing, weight_mask]
      grouping: [{groups: [[Smiling, Hat], [Mouth_Open, Glasses]]}]
  nuisance:
    learning_rate: {low: 3e-4, high: 3e-2, log: true}
    margin: {low: 0.1, high: 0.4}
    weight_decay: {low: 1e-5, high: 1e-3, log: true}
    batch_size: [24, 36, 48]
    mask_l1: {low: 1e-5, high: 1e-3, log: true}
search: {trials_per_arm: 4, round_size: 2, sampler_seed: 7, halving: {rungs: [2], keep: 0.5}}
confirm: {seeds: [11, 12]}
"""


@pytest.fixture(scope="module")
def study_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    own = tmp_path_factory.mktemp("study") / "every-section.yaml"
    own.write_text(EVERY_SECTION)
    return {**built_in_studies(), "every-section": own}


@pytest.fixture(scope="module")
def planned(study_files: dict[str, Path]) -> Callable[[str], list[PlannedTrial]]:
    """Return a way to plan the trials of a study; each study is planned once."""
    return functools.cache(lambda study: list(planned_trials(study_files[study])))


def planned_trials(path: Path, device: PlannedDevice = ON_THE_CPU) -> Iterator[PlannedTrial]:
    """The first round of every arm, and its confirm trials as they would be were the round's first trial chosen."""
    plan = compile_plan(load_study(path), device=device)
    for arm, progress in progress_of(plan, {}, DrawnRounds()).arms:
        yield from progress.tune
        nuisance = progress.tune[0].nuisance
        for index, seed in enumerate(plan.definition.confirm.seeds):
            yield plan_trial(plan, arm, stage="confirm", round_=0, index=index, nuisance=nuisance, train_seed=seed)


PLANS = {
    "default": (20, ["d6405a122f270d99", "e188d138c4551a67", "0a4e22591d2516a2"], "05e452a3184ea8cb"),
    "smoke": (12, ["af9bd39c05fbb288", "2446474e92b4ece8", "d055497dfe0fbb4a"], "c0432d82ba60cf61"),
    "every-section": (1096, ["f14e732375d02500", "4cc26a1afdb39e5e", "aa2a557ce940937a"], "1c6151666b832d5c"),
}
"""By study: how many trials, the first ids, and a hash of all ids in order."""


@pytest.mark.parametrize("study", PLANS)
def test_trial_ids_stay(study: str, planned: Callable[[str], list[PlannedTrial]]) -> None:
    ids = [trial.trial_id for trial in planned(study)]
    count, first, digest = PLANS[study]
    assert (len(ids), ids[: len(first)]) == (count, first)
    assert hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16] == digest


def test_trial_ids_of_runs_that_named_the_cpu_before_plans_held_a_device_stay(study_files: dict[str, Path]) -> None:
    device = PlannedDevice("cpu", cpu_in_ids=True)
    ids = [trial.trial_id for trial in planned_trials(study_files["every-section"], device)]
    assert ids[:3] == ["c0ec4d881388e5ac", "b817005abd70ace4", "484c4d5ee36c9acc"]
    assert hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16] == "b915c70c39d1c575"


def test_a_change_of_one_form_changes_the_ids_of_its_trials_alone(
    planned: Callable[[str], list[PlannedTrial]],
) -> None:
    """The hash is that of the code before ``weight_mask`` was mended."""
    trials = planned("every-section")
    ids = [trial.trial_id for trial in trials if trial.config.modulation.form != "weight_mask"]
    assert (len(trials), len(ids)) == (1096, 1092)
    assert hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16] == "ff81f1a90dfa87cf"


TRIPLETS = 64
ONE_TRIPLET = 1.01 / TRIPLETS

TRIALS: dict[str, dict[str, Any]] = {
    "shared": {},
    "late": {"modulation": {"points": ["res4", "res5", "fc"]}},
    "separate, sgd, augmented": {
        "network_groups": [["Smiling"], ["Glasses"], ["Hat"]],
        "optimization": {"optimizer": "sgd"},
        "augmentation": {"flip": True, "crop": 4},
    },
    "csn on its own network": {
        "network": {"backbone": "csn_resnet18", "width": 0.125},
        "modulation": {"points": ["embedding"], "initialization": {"kind": "normal", "mean": 0.9, "std": 0.7}},
        "batches": {"scheme": "triplets", "batch_size": 18, "passes": "separate"},
        "loss": {"distance": "euclidean", "normalize": False, "embedding_l2": 5e-3, "mask_l1": 5e-4},
    },
    "released": {
        "modulation": {"points": ["res4", "res5", "fc"]},
        "batches": {"scheme": "released", "batch_size": 18},
        "data": {"preprocessing": "released"},
        "optimization": {"optimizer": "adagrad", "schedule": "released", "learning_rate": 1e-4},
    },
    "batch norm a task, pcgrad": {
        "modulation": {"points": ["conv1", "res2", "fc"], "form": "batch_norm"},
        "balancing": {"method": "pcgrad"},
    },
    "low rank in groups, famo": {
        "modulation": {"points": ["res5"], "form": "low_rank", "size": 2, "groups": [["Smiling", "Hat"], ["Glasses"]]},
        "balancing": {"method": "famo"},
    },
}

BASE: dict[str, Any] = {
    "data": {
        "source": {"kind": "generated", "train_images": 48, "validation_images": 24, "test_images": 24},
        "tasks": ["Smiling", "Glasses", "Hat"],
        "image_size": 48,
    },
    "network": {"width": 0.0625, "batch_norm_momentum": 0.1},
    "batches": {"batch_size": 16},
    "optimization": {"learning_rate": 5e-4, "epochs": 1, "steps_per_epoch": 3},
    "evaluation": {"triplets_per_task": TRIPLETS, "splits": ["validation", "test"]},
    "compute": {"device": "cpu", "threads": 1},
    "train_seed": 1,
}

MEASURED = {
    "shared": (0.37497661511103314, 0.4375, [0.421875, 0.53125, 0.375]),
    "late": (0.3749934434890747, 0.4375, [0.4375, 0.53125, 0.375]),
    "separate, sgd, augmented": (0.3862818678220113, 0.4895833333333333, [0.421875, 0.515625, 0.765625]),
    "csn on its own network": (0.6914736032485962, 0.4583333333333333, [0.53125, 0.4375, 0.546875]),
    "released": (0.4669473667939504, 0.4375, [0.453125, 0.59375, 0.375]),
    "batch norm a task, pcgrad": (0.3745281596978505, 0.4375, [0.421875, 0.53125, 0.375]),
    "low rank in groups, famo": (0.3760234514872233, 0.4375, [0.40625, 0.53125, 0.375]),
}
"""By trial: training loss, validation triplet accuracy over tasks, and test triplet accuracy of every task."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("trial", TRIALS)
def test_metrics_of_a_short_training_stay(trial: str, cache: Path, tmp_path: Path) -> None:
    """Tolerances are for other CPUs: with other vector instructions, losses differ by up to 2e-5 of their value, and a
    triplet whose distances are all but equal may change sides.
    """
    changes = TRIALS[trial]
    sections = {key: {**BASE[key], **own} if key in BASE else own for key, own in changes.items()}
    config = TrialConfig.model_validate({**BASE, **sections})
    told: list[EpochRecord] = []
    outcome = run_trial(config, report=told.append, workspace=tmp_path, cache=cache)
    test = [row.value for row in select(outcome.task_metrics, "test", "triplet_accuracy")]
    (metrics,) = (record.metrics for record in told)
    loss, validation, accuracies = MEASURED[trial]
    assert metrics["train/loss"] == pytest.approx(loss, rel=1e-4)
    assert metrics["validation/triplet_accuracy"] == pytest.approx(validation, abs=ONE_TRIPLET / len(test))
    assert test == pytest.approx(accuracies, abs=ONE_TRIPLET)
