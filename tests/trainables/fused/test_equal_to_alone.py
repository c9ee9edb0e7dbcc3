"""A member computes what a trial trained alone computes.

In float64 the two agree to 1e-7, for every form, optimizer, scheme and balancing method that is fused: the algorithm is
the same. In float32 they differ by rounding, which training amplifies (an active triplet more or less), so
``docs/gpu.md`` states a tolerance for the first step only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.config.registries import BALANCERS, FORMS
from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.data.preprocessing import preprocessed
from trainables.fused import learner as fused_learner
from trainables.fused import step as fused_step
from trainables.fused.fusible import WEIGHTINGS
from trainables.fused.learner import FusedLearner
from trainables.networks.multi_task import build_model
from trainables.training import learner as single_learner
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime
from trainables.training.steps import step as single_step

STAGES = ["conv1", "res4", "fc"]
TRIPLETS = {"scheme": "triplets", "batch_size": 18}
SLOTS = 3

QUICK_FORMS = {"scale", "low_rank_convolution", "batch_norm", "weight_mask"}
"""One of each kind: on maps, beside a convolution, in place of a norm, and on weights."""

FORM_CASES = [
    pytest.param(
        {"modulation": {"form": form, "points": STAGES}}, marks=() if form in QUICK_FORMS else pytest.mark.long
    )
    for form in sorted(FORMS.built_in)
]
OTHER_CASES: list[dict[str, Any]] = [
    {},
    *({"optimization": {"optimizer": name}} for name in ("adamw", "sgd", "adagrad")),
    *({"balancing": {"method": name}} for name in sorted(WEIGHTINGS - {"equal", "dwa"})),
    {"balancing": {"method": "dwa"}, "optimization": {"epochs": 3, "steps_per_epoch": 1}},
    {"modulation": {"points": ["conv1", "fc"], "rate_factor": 3.0}, "optimization": {"weight_decay": 0.1}},
    {"modulation": {"points": []}},
    {"modulation": {"points": ["conv1"], "initialization": {"kind": "normal", "trainable": False}}},
    {"modulation": {"points": []}, "network_groups": [["Smiling"], ["Glasses", "Hat"]]},
    {"modulation": {"points": []}, "network_groups": [["Smiling"], ["Glasses", "Hat"]], "batches": TRIPLETS},
    {"modulation": {"form": "own", "points": ["fc"]}, "batches": TRIPLETS},
    {"modulation": {"form": "weight_mask", "points": STAGES}, "batches": {**TRIPLETS, "scheme": "released"}},
    {"loss": {"embedding_l2": 0.005, "mask_l1": 0.0005}},
    *({"batches": {"negatives": rule, "classes": "balanced"}} for rule in ("semi_hard", "hard", "batch_hard")),
    {"batches": {**TRIPLETS, "passes": "separate"}, "loss": {"embedding_l2": 0.005, "normalize": False}},
    {"network": {"backbone": "csn_resnet18"}, "modulation": {"points": ["layer2", "embedding"]}},
    {"augmentation": {"flip": True, "crop": 4}, "compute": {"device": "cpu", "fused": 3, "channels_last": False}},
]


@pytest.fixture
def _in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (single_learner, fused_learner):
        monkeypatch.setattr(module, "build_model", lambda config: build_model(config).double())
    for module in (single_step, fused_step):
        monkeypatch.setattr(module, "preprocessed", lambda *args: preprocessed(*args).double())


def both(configs: list[TrialConfig], cache: Path, within: float) -> tuple[FusedLearner, list[Learner]]:
    """The members trained as one model and each alone; their curves must have the same names and values."""
    with trial_runtime(configs[0].compute) as runtime:
        split = prepare_dataset(configs[0].data, 0, cache).splits["train"]
        together = FusedLearner(configs, split, runtime)
        alone = [Learner(config, split, runtime) for config in configs]
        for epoch in range(1, configs[0].optimization.epochs + 1):
            for learner, curves in zip(alone, together.run_epoch(epoch), strict=True):
                own = learner.run_epoch(epoch)
                assert isinstance(curves, dict)
                assert list(curves) == list(own)
                assert list(curves.values()) == pytest.approx(list(own.values()), abs=within)
    return together, alone


@pytest.mark.usefixtures("_in_float64")
@pytest.mark.parametrize("case", [*FORM_CASES, *OTHER_CASES], ids=str)
def test_a_member_has_the_state_of_a_trial_alone(
    case: dict[str, Any], config_of: Callable[..., TrialConfig], cache: Path
) -> None:
    steps = {"epochs": 1, "steps_per_epoch": 2, **case.get("optimization", {})}
    configs = [config_of(slot, **{**case, "optimization": steps}) for slot in range(SLOTS)]

    together, alone = both(configs, cache, within=1e-6)

    for slot, learner in enumerate(alone):
        expected, found = learner.state(), together.state_of(slot)
        states = found["optimizer"].pop("state"), expected["optimizer"].pop("state")
        parts = [(found[part], expected[part]) for part in ("model", "balancer", "sampler")]
        for mine, theirs in (*parts, states):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-7, check_dtype=False)
        assert found["step"] == expected["step"] > 1
        assert [group["params"] for group in found["optimizer"]["param_groups"]] == [
            group["params"] for group in expected["optimizer"]["param_groups"]
        ]


def test_in_fp32_the_first_step_agrees_to_a_hundred_thousandth(
    config_of: Callable[..., TrialConfig], cache: Path
) -> None:
    once = {"epochs": 1, "steps_per_epoch": 1}

    both([config_of(slot, optimization=once) for slot in range(SLOTS)], cache, within=1e-5)


def test_bf16_is_close_to_bf16_alone(config_of: Callable[..., TrialConfig], cache: Path) -> None:
    compute = {"device": "cpu", "fused": SLOTS, "precision": "bf16"}
    configs = [config_of(slot, compute=compute, optimization={"steps_per_epoch": 1}) for slot in range(SLOTS)]
    with trial_runtime(configs[0].compute) as runtime:
        split = prepare_dataset(configs[0].data, 0, cache).splits["train"]
        together = FusedLearner(configs, split, runtime).run_epoch(1)
        alone = [Learner(config, split, runtime).run_epoch(1) for config in configs]

    for curves, own in zip(together, alone, strict=True):
        assert isinstance(curves, dict)
        assert curves["train/loss"] == pytest.approx(own["train/loss"], rel=0.02)


def test_all_weightings_are_fused() -> None:
    scalar = {name for name in BALANCERS.built_in if hasattr(BALANCERS[name], "objective")}

    assert scalar - {"gradnorm"} == WEIGHTINGS
