"""Two values of every key of a trial: where they make one result (``IDLE``), and where they make two (``ACTING``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trainables.config.trial import TrialConfig

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
    "optimization.steps_per_epoch": 1,
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
    Case("modulation.score_steps", 50.0, 5.0, LATE),
    Case(
        "modulation.score_steps",
        50.0,
        5.0,
        LATE | {"modulation.form": "weight_mask", "modulation.initialization.trainable": False},
    ),
    Case("modulation.rate_factor", 1.0, 3.0),
    Case("modulation.rate_factor", 1.0, 3.0, FROZEN),
    Case("modulation.rate_factor", 1.0, 3.0, LATE | {"modulation.form": "batch_norm_statistics"}),
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
    Case("optimization.restarts", (), (1,), {"optimization.schedule": "constant"}),
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
    Case("evaluation.rung_metric", None, "recall_at_1"),
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
    Case("modulation.score_steps", 50.0, 5.0, LATE | {"modulation.form": "weight_mask"}),
    Case("modulation.rate_factor", 1.0, 3.0, LATE),
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
    Case("batches.negatives", "all", "semi_hard"),
    Case("batches.classes", "natural", "balanced"),
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
    Case("optimization.restarts", (), (1,)),
    Case("optimization.step_share", 1.0, 0.5),
    Case("optimization.epochs", 2, 3),
    Case("optimization.steps_per_epoch", 1, 2),
    Case("evaluation.splits", ("validation",), ("validation", "test")),
    Case("evaluation.triplets_per_task", 20, 30),
    Case("evaluation.max_images", None, 10),
    Case("evaluation.max_queries", None, 10),
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes an ``idle`` or an ``acting`` case with each of them."""
    for name, cases in (("idle", IDLE), ("acting", ACTING)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, cases, ids=str)


@pytest.fixture
def idle_keys() -> set[str]:
    """The keys of the cases that make one result."""
    return {case.key for case in IDLE}


@pytest.fixture
def acting_cases() -> list[Case]:
    """All cases that make two results."""
    return ACTING


@pytest.fixture(scope="session")
def trial_with() -> Callable[[Settings], TrialConfig]:
    """Make a trial of seconds with other settings, by dotted key."""
    return made


@pytest.fixture
def late() -> Settings:
    """Modulation at the last stages."""
    return LATE


@pytest.fixture
def sample_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process import ``sample_networks``."""
    monkeypatch.syspath_prepend(str(NETWORKS))
