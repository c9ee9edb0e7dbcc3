"""A unit's step is a fixed sequence of operations at fixed addresses: replayed, it changes no bit.

On the CPU ``replay.Replay`` stands in for a CUDA graph; the tests marked ``gpu`` capture the step itself.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import Split, prepare_dataset
from trainables.fused.learner import FusedLearner
from trainables.training.checkpoint import Checkpoint
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, trial_runtime
from trainables.training.steps.capture import WARM_UP

SLOTS = 3
TRIPLETS = {"scheme": "triplets", "batch_size": 18}

CASES: dict[str, dict[str, Any]] = {
    "late": {},
    "penalties": {"loss": {"embedding_l2": 0.005, "mask_l1": 0.0005}},
    "famo": {"balancing": {"method": "famo"}},
    "dwa": {"balancing": {"method": "dwa"}},
    "rlw": {"balancing": {"method": "rlw"}},
    "uncertainty, separate": {
        "balancing": {"method": "uncertainty"},
        "modulation": {"points": []},
        "network_groups": [["Smiling"], ["Glasses", "Hat"]],
    },
    "batch norm, rate factor": {"modulation": {"form": "batch_norm", "points": ["res5", "fc"], "rate_factor": 3.0}},
    "triplets, augmented": {"batches": TRIPLETS, "augmentation": {"flip": True, "crop": 4}},
    **{name: {"optimization": {"optimizer": name}} for name in ("adamw", "sgd", "adagrad")},
}

LONG = ("dwa", "rlw", "uncertainty, separate", "adamw", "adagrad")

Members = Callable[..., list[TrialConfig]]


@pytest.fixture
def members(config_of: Callable[..., TrialConfig]) -> Members:
    """The members of the unit of a case; keyword arguments replace settings of ``compute``."""

    def make(case: str, steps: int, **compute: Any) -> list[TrialConfig]:
        sections = dict(CASES[case])
        length = {"epochs": 3, "steps_per_epoch": steps, **sections.pop("optimization", {})}
        return [
            config_of(slot, **sections, optimization=length).model_copy(
                update={"compute": config_of(slot).compute.model_copy(update=compute)}
            )
            for slot in range(SLOTS)
        ]

    return make


def split_of(configs: list[TrialConfig], cache: Path) -> Split:
    return prepare_dataset(configs[0].data, 0, cache).splits["train"]


def assert_same(first: FusedLearner, second: FusedLearner) -> None:
    for slot in range(SLOTS):
        torch.testing.assert_close(first.state_of(slot), second.state_of(slot), rtol=0, atol=0)


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.long] * (case in LONG)) for case in CASES])
def test_a_replayed_unit_changes_no_bit(case: str, members: Members, cache: Path, replay: ModuleType) -> None:
    configs = members(case, 3)
    with trial_runtime(configs[0].compute) as runtime:
        plain, replayed = (FusedLearner(configs, split_of(configs, cache), runtime) for _ in range(2))
        for learner in (plain, replayed):
            for balancer in learner._balancers:
                replay.count_in_tensors(balancer)
        replayed._work = replay.Replay()
        for epoch in (1, 2, 3):
            assert plain.run_epoch(epoch) == replayed.run_epoch(epoch)
        assert replayed._work.captured
        assert_same(plain, replayed)


@pytest.fixture
def on_cuda() -> None:
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")


def again(learner: FusedLearner, configs: list[TrialConfig], split: Split, runtime: Runtime) -> FusedLearner:
    """Another learner, from what the members' checkpoints hold."""
    found = FusedLearner(configs, split, runtime)
    for slot in range(SLOTS):
        file = io.BytesIO()
        torch.save(learner.state_of(slot), file)
        file.seek(0)
        state = torch.load(file, map_location="cpu", weights_only=True)
        found.load_state_of(slot, Checkpoint("", 1, **state, peak_memory_bytes=0, records={}))
    return found


@pytest.mark.gpu
@pytest.mark.usefixtures("on_cuda")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("case", CASES)
def test_a_captured_unit_is_the_uncaptured_one_and_goes_on_after_an_interruption(
    case: str, precision: str, members: Members, cache: Path
) -> None:
    asked = {"device": "cuda", "precision": precision}
    configs, plain_configs = (members(case, WARM_UP + 4, **asked, graph=graph) for graph in ("auto", "never"))
    with trial_runtime(configs[0].compute) as runtime:
        split = split_of(configs, cache)
        captured, plain = FusedLearner(configs, split, runtime), FusedLearner(plain_configs, split, runtime)
        assert captured.run_epoch(1) == plain.run_epoch(1)
        resumed = again(captured, configs, split, runtime)
        found = [learner.run_epoch(2) for learner in (captured, plain, resumed)]
        assert found[0] == found[1] == found[2]
        assert (captured._work.captured, plain._work.captured) == (True, False)
        for other in (plain, resumed):
            assert_same(captured, other)


@pytest.mark.gpu
@pytest.mark.usefixtures("on_cuda")
@pytest.mark.parametrize("case", CASES)
def test_the_first_step_on_a_gpu_agrees_with_trials_alone(case: str, members: Members, cache: Path) -> None:
    configs = members(case, 1, device="cuda")
    with trial_runtime(configs[0].compute) as runtime:
        split = split_of(configs, cache)
        together = FusedLearner(configs, split, runtime).run_epoch(1)
        for slot, config in enumerate(configs):
            alone, curves = Learner(config, split, runtime).run_epoch(1), together[slot]
            assert isinstance(curves, dict)
            assert curves.keys() == alone.keys()
            losses = [name for name in alone if "loss" in name]  # counts change with a triplet on its margin
            assert [curves[name] for name in losses] == pytest.approx([alone[name] for name in losses], rel=1e-3)
