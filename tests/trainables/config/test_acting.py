"""What is said not to act changes no bit and no id; what acts changes the id. Every key of a trial is looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
from safetensors.numpy import load_file

from trainables.config.acting import ACTS, acts
from trainables.config.identity import trial_id, trial_identity
from trainables.config.trial import TrialConfig
from trainables.foundation.section import Section
from trainables.networks.modulation import FORMS
from trainables.outcome import EpochRecord
from trainables.run import run_trial

NETWORKS = Path(__file__).parents[1] / "networks"
TASKS = ("Smiling", "Glasses", "Hat")
Settings = dict[str, Any]
BASE: Settings = {
    "data.source": {"kind": "generated", "train_images": 24, "validation_images": 16, "test_images": 16},
    "data.tasks": TASKS,
    "data.image_size": 48,
    "network.width": 0.0625,
    "batches.batch_size": 12,
    "optimization.epochs": 2,
    "optimization.learning_rate": 3e-3,
    "evaluation.triplets_per_task": 20,
    "compute.device": "cpu",
}
CHAIN: Settings = {
    "network.backbone": "sample_networks:Chain",
    "network.points": ("a", "b"),
    "network.folder": NETWORKS,
    "network.width": 1.0,
}
LATE: Settings = {"modulation.points": ("res5", "fc")}
ROUTED = LATE | {"modulation.form": "task_routing"}
FROZEN = LATE | {"modulation.initialization.trainable": False, "modulation.initialization.kind": "disjoint"}
PARQUET: Settings = {"data.source": {"kind": "parquet", "path": "images"}}


@dataclass(frozen=True)
class Case:
    """Two values of a key beside other settings, and whether they make two results."""

    key: str
    first: Any
    second: Any
    beside: Settings = field(default_factory=dict)

    def configs(self) -> tuple[TrialConfig, TrialConfig]:
        return tuple(made(self.beside | {self.key: value}) for value in (self.first, self.second))  # type: ignore[return-value]

    def __str__(self) -> str:
        return "-".join([self.key, *(str(value) for name, value in self.beside.items() if name != "network.folder")])


def made(settings: Settings) -> TrialConfig:
    values: Settings = {}
    for key, value in (BASE | settings).items():
        section = values
        *above, name = key.split(".")
        for part in above:
            section = section.setdefault(part, {})
        section[name] = value
    return TrialConfig.model_validate(values)


def method(name: str, **more: Any) -> Settings:
    return {"balancing.method": name, "optimization.epochs": 3, **more}


IDLE = [
    Case("data.max_corrupt_share", 0.01, 0.5),
    Case("data.max_duplicate_share", 0.0, 0.5),
    Case("data.max_pixels", 50_000_000, 60_000_000),
    Case("data.fit", "crop", "pad"),
    Case("network.points", ("a",), ("a", "b"), CHAIN),
    Case("network.points", ("b",), ("a", "c"), CHAIN | {"network.backbone": "sample_networks:SkipToTheEnd"}),
    Case("network.folder", NETWORKS, None, CHAIN),
    Case("modulation.form", "scale", "own"),
    Case("modulation.size", None, 3),
    Case("modulation.size", None, 3, LATE),
    Case("modulation.activation", "relu", "softplus"),
    Case("modulation.activation", "relu", "softplus", LATE | {"modulation.form": "batch_norm_bias"}),
    Case("modulation.groups", ((TASKS[0],), TASKS[1:]), (TASKS,)),
    Case("modulation.initialization.kind", "ones", "binary"),
    Case("modulation.initialization.kind", "ones", "normal", LATE | {"modulation.form": "low_rank"}),
    Case("modulation.initialization.trainable", True, False),
    Case("modulation.initialization.trainable", True, False, ROUTED),
    Case("modulation.initialization.trainable", True, False, LATE | {"modulation.form": "batch_norm_statistics"}),
    Case("modulation.initialization.value", 1.0, 2.0, LATE),
    Case("modulation.initialization.mean", 1.0, 2.0, LATE | {"modulation.initialization.kind": "uniform"}),
    Case("modulation.initialization.std", 0.1, 0.2, LATE),
    Case("modulation.initialization.low", 0.0, 0.5, LATE | {"modulation.initialization.kind": "normal"}),
    Case("modulation.initialization.high", 1.0, 2.0, LATE),
    Case("modulation.initialization.off", 0.0, 0.1, LATE | {"modulation.initialization.kind": "binary"}),
    Case("modulation.initialization.keep", 0.5, 0.9, FROZEN),
    Case("modulation.initialization.keep", 0.5, 0.9, LATE | {"modulation.form": "weight_mask"}),
    Case("loss.mask_l1", 0.0, 0.5),
    Case("loss.mask_l1", 0.0, 0.5, method("pcgrad")),
    Case("loss.mask_l1", 0.0, 0.5, FROZEN),
    Case("loss.mask_l1", 0.0, 0.5, FROZEN | method("cagrad")),
    Case("loss.mask_l1", 0.0, 0.5, LATE | {"modulation.form": "squeeze_excite"}),
    Case("balancing.cagrad_c", 0.4, 0.9),
    Case("balancing.cagrad_c", 0.4, 0.9, method("mgda")),
    Case("balancing.dwa_temperature", 2.0, 0.1, method("rlw")),
    Case("balancing.dwa_temperature", 2.0, 0.1, method("dwa") | {"optimization.epochs": 2}),
    Case("balancing.famo_learning_rate", 0.025, 0.5, method("gradnorm")),
    Case("balancing.famo_weight_decay", 0.001, 0.5),
    Case("balancing.gradnorm_alpha", 1.5, 0.0, method("uncertainty")),
    Case("balancing.gradnorm_learning_rate", 0.025, 0.5),
    Case("balancing.nash_max_norm", 1.0, 0.1, method("imtl_g")),
    Case("optimization.decay_per_epoch", 0.985, 0.1),
    Case("optimization.decay_per_epoch", 0.985, 0.1, {"optimization.schedule": "released"}),
    Case("optimization.decay_per_epoch", 0.985, 0.1, {"optimization.schedule": "constant"}),
    Case(
        "optimization.decay_per_epoch", 0.985, 0.1, {"optimization.schedule": "exponential", "optimization.epochs": 1}
    ),
    Case("compute.deterministic", True, False),
    Case("compute.data_on_device", "auto", "never"),
    Case("compute.graph", "auto", "never"),
    Case("evaluation.validate_every", 1, 2),
    Case("evaluation.validate_every", 1, 5, LATE | {"optimization.epochs": 3}),
    Case("agreement.every_epochs", 0, 1, LATE),
    Case("agreement.every_epochs", 0, 1, CHAIN | {"modulation.points": ("b",)}),
    Case("agreement.images", 8, 16, {"agreement.every_epochs": 1}),
]

ACTING = [
    Case("data.source", BASE["data.source"], BASE["data.source"] | {"train_images": 30}),
    Case("data.tasks", TASKS, TASKS[::-1]),
    Case("data.image_size", 48, 50),
    Case("data.fit", "crop", "pad", PARQUET),
    Case("data.preprocessing", "unit", "imagenet"),
    Case("augmentation.flip", False, True),
    Case("augmentation.crop", 0, 2),
    Case("network.backbone", "simplenet", "csn_resnet18"),
    Case("network.width", 0.0625, 0.125),
    Case("network.embedding_size", 8, 9),
    Case("network.batch_norm_momentum", 0.1, 0.2),
    Case("network.arguments", {"depth": 1}, {"depth": 2}, CHAIN | {"network.backbone": "sample_networks:resnet"}),
    Case("network.points", ("a", "b"), ("a", "b", "c"), CHAIN | {"modulation.points": ("a",)}),
    Case("modulation.points", (), ("fc",)),
    Case("modulation.form", "scale", "own", LATE),
    Case("modulation.size", 2, 3, LATE | {"modulation.form": "low_rank"}),
    Case("modulation.activation", "relu", "softplus", LATE),
    Case("modulation.groups", ((TASKS[0],), TASKS[1:]), (TASKS,), LATE),
    Case("modulation.initialization.kind", "ones", "binary", LATE),
    Case("modulation.initialization.trainable", True, False, LATE | {"modulation.form": "projection"}),
    Case("modulation.initialization.value", 1.0, 2.0, LATE | {"modulation.initialization.kind": "constant"}),
    Case("modulation.initialization.mean", 1.0, 2.0, LATE | {"modulation.initialization.kind": "normal"}),
    Case("modulation.initialization.std", 0.1, 0.2, LATE | {"modulation.initialization.kind": "normal"}),
    Case("modulation.initialization.low", 0.0, 0.5, LATE | {"modulation.initialization.kind": "uniform"}),
    Case("modulation.initialization.high", 1.0, 2.0, LATE | {"modulation.initialization.kind": "uniform"}),
    Case("modulation.initialization.off", 0.0, 0.1, LATE | {"modulation.initialization.kind": "disjoint"}),
    Case("modulation.initialization.keep", 0.5, 0.9, LATE | {"modulation.initialization.kind": "binary"}),
    Case("network_groups", (TASKS,), ((TASKS[0],), TASKS[1:])),
    Case("batches.scheme", "all_tasks", "triplets", {"batches.batch_size": 18}),
    Case("batches.batch_size", 12, 15),
    Case("batches.passes", "mixed", "separate", {"batches.scheme": "triplets", "batches.batch_size": 18}),
    Case("loss.margin", 0.1, 0.2),
    Case("loss.distance", "squared", "euclidean"),
    Case("loss.normalize", True, False),
    Case("loss.embedding_l2", 0.0, 0.1),
    Case("loss.mask_l1", 0.0, 0.5, LATE),
    Case("balancing.method", "equal", "dwa"),
    Case("balancing.cagrad_c", 0.4, 0.9, method("cagrad")),
    Case("balancing.cagrad_c", 0.4, 0.9, method("one_of_elsewhere")),
    Case("balancing.dwa_temperature", 2.0, 0.1, method("dwa")),
    Case("balancing.famo_learning_rate", 0.025, 0.5, method("famo")),
    Case("balancing.famo_weight_decay", 0.001, 0.5, method("famo")),
    Case("balancing.gradnorm_alpha", 1.5, 0.0, method("gradnorm")),
    Case("balancing.gradnorm_learning_rate", 0.025, 0.5, method("gradnorm")),
    Case("balancing.nash_max_norm", 1.0, 0.1, method("nash_mtl")),
    Case("optimization.optimizer", "adam", "sgd"),
    Case("optimization.learning_rate", 0.1, 0.2),
    Case("optimization.weight_decay", 0.0, 0.1),
    Case("optimization.schedule", "constant", "cosine"),
    Case("optimization.decay_per_epoch", 0.985, 0.1, {"optimization.schedule": "exponential"}),
    Case("optimization.epochs", 2, 3),
    Case("optimization.steps_per_epoch", 1, 2),
    Case("evaluation.splits", ("validation",), ("validation", "test")),
    Case("evaluation.triplets_per_task", 20, 30),
    Case("evaluation.max_images", None, 10),
    Case("compute.device", "cpu", "cuda"),
    Case("compute.precision", "fp32", "bf16"),
    Case("compute.precision", "fp32", "tf32", {"compute.device": "cuda"}),
    Case("compute.deterministic", True, False, {"compute.device": "cuda"}),
    Case("compute.fused", 1, 2),
    Case("compute.channels_last", True, False),
    Case("compute.threads", 1, 2),
    Case("data_seed", 0, 1),
    Case("train_seed", 0, 1),
]

BY_CONTENT = {"network.weights"}
"""Stands for a file, whose content decides: ``test_network_config``."""


def keys_of(section: type[Section], above: str = "") -> Iterator[str]:
    """Yield the dotted keys of all settings."""
    for name, info in section.model_fields.items():
        inner = [kind for kind in (info.annotation, *get_args(info.annotation)) if isinstance(kind, type)]
        below = [kind for kind in inner if issubclass(kind, Section) and kind.__name__.endswith("Config")]
        if below and f"{above}{name}" not in {"data.source", *BY_CONTENT}:
            yield from keys_of(below[0], f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_key_is_tried_where_it_acts_and_where_it_does_not() -> None:
    keys = set(keys_of(TrialConfig))
    assert {case.key for case in ACTING} == keys - BY_CONTENT - {key for key in ACTS if key not in _sometimes()}
    assert {case.key for case in IDLE} == ACTS.keys()
    assert ACTS.keys() <= keys


def _sometimes() -> set[str]:
    """Return the keys that act under some settings."""
    return {case.key for case in ACTING if acts(case.configs()[0], case.key)}


def test_a_setting_acts_under_a_form_of_ours_exactly_where_its_class_says_so() -> None:
    for name in FORMS.built_in:
        form, settings = FORMS[name], made(LATE | {"modulation.form": name})
        for key, declared in (
            ("modulation.activation", form.of_vectors),
            ("modulation.size", form.default_size is not None),
            ("modulation.initialization.trainable", form.has_parameters),
        ):
            assert acts(settings, key) is declared


@pytest.mark.parametrize("case", ACTING, ids=str)
def test_what_acts_changes_the_id(case: Case) -> None:
    first, second = case.configs()
    assert acts(first, case.key)
    fingerprints = ("a", "b") if case.key == "data.source" else ("a", "a")
    assert trial_id(first, fingerprints[0]) != trial_id(second, fingerprints[1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a way to train a trial, each configuration once; gives outcome, metrics by epoch, and weights."""
    cache, known = tmp_path_factory.mktemp("cache"), dict[str, Any]()

    def train(config: TrialConfig) -> Any:
        name = json.dumps(config.model_dump(mode="json"), sort_keys=True)
        if name not in known:
            epochs: dict[int, dict[str, float]] = {}

            def report(record: EpochRecord) -> None:
                epochs[record.epoch] = record.metrics

            workspace = tmp_path_factory.mktemp("trial")
            outcome = run_trial(config, report=report, workspace=workspace, cache=cache)
            weights = load_file(workspace / "weights.safetensors")
            known[name] = outcome.task_metrics, epochs, {name: array.tobytes() for name, array in weights.items()}
        return known[name]

    return train


@pytest.mark.parametrize("case", IDLE, ids=str)
def test_what_does_not_act_changes_neither_a_bit_nor_the_id(
    case: Case, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(NETWORKS))
    first, second = case.configs()
    assert first != second
    assert not acts(first, case.key)
    assert not acts(second, case.key)
    assert trial_id(first, "data") == trial_id(second, "data")
    metrics, epochs, weights = zip(trained(first), trained(second), strict=True)
    assert metrics[0] == metrics[1]
    assert weights[0] == weights[1]
    for epoch, named in epochs[0].items():  # what monitoring records beside it may be there or not
        common = {name for name in named.keys() & epochs[1][epoch].keys() if not name.startswith("update_agreement/")}
        assert "train/loss" in common
        assert {name: named[name] for name in common} == {name: epochs[1][epoch][name] for name in common}


def test_ids_of_version_2_held_everything_that_is_not_a_default() -> None:
    """These ids were written by the code of version 2."""
    monitored = made({"agreement.every_epochs": 1, "balancing.cagrad_c": 0.9})
    assert trial_id(made(LATE), "data", 2) != trial_id(made(LATE | {"agreement.every_epochs": 1}), "data", 2)
    assert trial_identity(monitored, "data", 2)["agreement"] == {"every_epochs": 1}
    assert "agreement" not in trial_identity(monitored, "data", 3)


def test_a_look_at_validation_decides_nothing_on_the_way(trained: Any) -> None:
    """A rate so high that embeddings overflow after the first epoch alone: looking there must not end the trial."""
    wild = {"optimization.optimizer": "sgd", "optimization.learning_rate": 1e10, "optimization.epochs": 4}
    often, _, _ = trained(made(wild | {"network.batch_norm_momentum": 1e-3, "evaluation.validate_every": 1}))
    rarely, _, _ = trained(made(wild | {"network.batch_norm_momentum": 1e-3, "evaluation.validate_every": 4}))
    assert often == rarely
