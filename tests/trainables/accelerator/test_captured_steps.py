"""On CUDA, a step replayed from a graph gives the numbers of the same step run eagerly, to the last bit.

``tests/trainables/training/test_steps_ahead.py`` holds the rest on the CPU: that steps prepared ahead take the same
steps as those drawn one by one.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.evaluation.retrieval_metrics import RANK_METRICS, rank_metrics
from trainables.networks.modulation import FORMS
from trainables.training.checkpoint import Checkpoint
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime
from trainables.training.steps.capture import WARM_UP, CapturedWork

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]

TASKS = ("colour", "shape", "size")
LATE = ("res5", "fc")
STEPS = WARM_UP + 4
"""Enough to warm up, capture and replay in the first epoch."""


def config_of(**sections: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {"tasks": TASKS, "image_size": 48},
        "network": {"width": 0.125, "batch_norm_momentum": 0.1},
        "batches": {"batch_size": 12},
        "augmentation": {"flip": True, "crop": 3},
        "optimization": {"epochs": 3, "steps_per_epoch": STEPS, "learning_rate": 1e-3},
        "compute": {"device": "cuda"},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    return TrialConfig.model_validate(values)


@pytest.fixture(scope="module")
def split() -> Split:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (60, 48, 48, 3), dtype=np.uint8)
    return Split(images, draw.integers(-1, 2, (60, len(TASKS))))


CASES: dict[str, dict[str, Any]] = {
    "shared": {},
    "separate": {"network_groups": [[task] for task in TASKS]},
    **{f"form {form}": {"modulation": {"points": LATE, "form": form}} for form in FORMS},
    **{
        f"balancing {name}": {"balancing": {"method": name}}
        for name in ("dwa", "rlw", "famo", "gradnorm", "uncertainty")
    },
    **{f"optimizer {name}": {"optimization": {"optimizer": name}} for name in ("adagrad", "adamw", "sgd")},
    "slots": {"batches": {"scheme": "triplets", "batch_size": 18}, "modulation": {"points": LATE}},
    "slots of separate networks": {
        "batches": {"scheme": "triplets", "batch_size": 18},
        "network_groups": [["colour", "size"], ["shape"]],
    },
    "csn": {
        "network": {"backbone": "csn_resnet18"},
        "batches": {"scheme": "triplets", "batch_size": 18, "passes": "separate"},
        "loss": {"distance": "euclidean", "normalize": False, "embedding_l2": 5e-3, "mask_l1": 5e-4},
        "modulation": {"points": ["embedding"], "initialization": {"kind": "normal", "mean": 0.9, "std": 0.7}},
    },
    "own rate": {"modulation": {"points": LATE, "rate_factor": 3.0}},
    "bf16": {"compute": {"precision": "bf16"}, "modulation": {"points": LATE}},
    "streamed images": {"compute": {"data_on_device": "never"}},
}


def trained(config: TrialConfig, split: Split, epochs: int, *, captured: bool) -> tuple[list[Any], Any]:
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split, runtime)
        metrics = [learner.run_epoch(epoch) for epoch in range(1, epochs + 1)]
        assert learner.captured == captured
        state = {name: value.cpu() for name, value in learner.model.state_dict().items()}
    return metrics, state


@pytest.mark.parametrize("case", CASES)
def test_a_captured_step_gives_the_numbers_of_an_eager_one(case: str, split: Split) -> None:
    found = []
    for graph, captured in (("auto", True), ("never", False)):
        sections = dict(CASES[case])
        sections["compute"] = {**sections.get("compute", {}), "graph": graph}
        found.append(trained(config_of(**sections), split, 2, captured=captured))
    (metrics, state), (eager_metrics, eager_state) = found
    assert metrics == eager_metrics
    assert [name for name in state if not torch.equal(state[name], eager_state[name])] == []


def test_a_learner_resumed_between_epochs_goes_on_the_same(split: Split) -> None:
    config = config_of(modulation={"points": LATE}, balancing={"method": "dwa"})
    with trial_runtime(config.compute) as runtime:
        whole, first, second = (Learner(config, split, runtime) for _ in range(3))
        expected = [whole.run_epoch(epoch) for epoch in (1, 2, 3)]
        for epoch in (1, 2):
            first.run_epoch(epoch)
        second.load_state(Checkpoint("id", 2, **first.state(), peak_memory_bytes=0, records={}))
        assert second.run_epoch(3) == expected[2]


@pytest.mark.parametrize("method", ["pcgrad", "graddrop"])
def test_a_method_that_reads_values_runs_eagerly(method: str, split: Split) -> None:
    trained(config_of(balancing={"method": method}), split, 1, captured=False)


def test_a_failed_capture_is_told_once_and_changes_no_number(caplog: pytest.LogCaptureFixture) -> None:
    device = torch.device("cuda")
    count = torch.zeros((), device=device)

    def reading() -> None:
        count.add_(1)
        count.item()  # a capture refuses this

    work = CapturedWork(device, capture=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(WARM_UP + 4):
            work.do(reading)
    assert count.item() == WARM_UP + 4
    assert not work.captured
    assert len([record for record in caplog.records if "cannot be captured" in record.message]) == 1


def test_rank_metrics_are_those_of_the_cpu() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(300, 16, generator=generator), dim=1)
    labels = torch.randint(-1, 4, (300,), generator=generator).numpy()
    here, there = rank_metrics(embeddings, labels), rank_metrics(embeddings.cuda(), labels)
    for name in RANK_METRICS:
        np.testing.assert_allclose(there.values[name], here.values[name])
