"""Every kind of step on this machine's accelerator gives the numbers of the CPU; and the comparison can fail.

The tests marked ``gpu`` run on a machine with CUDA or Apple's ``mps`` (``make test-gpu``). The others exercise the same
comparison on the CPU, between two memory layouts, whose kernels add in different orders.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.training.learner import Learner

CPU = torch.device("cpu")
SGD = {"optimizer": "sgd", "learning_rate": 1e-4, "epochs": 4, "steps_per_epoch": 3}
"""Moves along the gradient. Adam moves by its sign, and that of a gradient of rounding errors is random."""

DRAWS_ON_THE_DEVICE = {"balancing graddrop": "its signs come from the device's generator, and each kind has its own"}
"""Cases whose numbers differ from the CPU's, and why; they are repeatable all the same."""

NOT_REPEATABLE: dict[str, str] = {}
"""Cases that give other bits in each run on an accelerator, and why; docs/gpu.md lists them."""

SENSITIVE = {
    "optimizer adam": "a step goes along the sign of a gradient, and that of a rounding error is random",
    "optimizer adamw": "as adam",
    "optimizer adagrad": "as adam, in its first steps",
    "loss of few active triplets": "a triplet on its margin changes sides",
    **dict.fromkeys(
        ("loss semi_hard negatives", "loss hard negatives", "loss batch_hard negatives"),
        "of two images about as far, either is mined",
    ),
}
"""Cases in which rounding errors have large effects, and why; only gross differences are seen there."""

ALL_ACTIVE = {"margin": 5.0}
"""Every triplet violates such a margin on either side, so that none changes sides."""

Made = Callable[[str, torch.device], Learner]


def tolerance_of(case: str, training: ModuleType) -> Any:
    return training.GROSS if case in SENSITIVE else training.Tolerance()


@pytest.fixture
def made(cases: ModuleType, trial_of: Callable[..., TrialConfig], learner_on: Callable[..., Learner]) -> Made:
    """Make the learner of a case on a device."""

    def make(case: str, device: torch.device, **compute: Any) -> Learner:
        sections = dict(cases.CASES[case])
        sections["loss"] = ALL_ACTIVE | sections.get("loss", {})
        sections["optimization"] = SGD | sections.get("optimization", {})
        sections["compute"] = {"device": device.type} | sections.get("compute", {}) | compute
        return learner_on(trial_of(**sections), device)

    return make


@pytest.mark.gpu
def test_every_kind_of_step_gives_the_numbers_of_the_cpu(
    made: Made, cases: ModuleType, training: ModuleType, accelerator: torch.device
) -> None:
    apart = {}
    for case in set(cases.CASES) - set(DRAWS_ON_THE_DEVICE):
        runs = [training.train(made(case, device)) for device in (CPU, accelerator)]
        apart[case] = training.differences(*runs, tolerance_of(case, training))
    assert {case: found for case, found in apart.items() if found} == {}


@pytest.mark.gpu
def test_every_kind_of_step_is_repeatable_and_goes_on_after_an_interruption(
    made: Made, cases: ModuleType, training: ModuleType, accelerator: torch.device
) -> None:
    wrong: dict[str, list[str]] = {}
    for case in set(cases.CASES) - set(NOT_REPEATABLE):
        learner = made(case, accelerator)
        straight, again = (training.train(each, (1, 2, 3)) for each in (learner, made(case, accelerator)))
        resumed = training.interrupted(lambda case=case: made(case, accelerator), (1,), (2, 3))
        uncaptured = training.train(made(case, accelerator, graph="never"), (1, 2, 3))
        ways = {"again": again, "resumed": resumed, "uncaptured": uncaptured}
        wrong[case] = [way for way, each in ways.items() if not training.same_bits(straight, each)]
        wrong[case] += sorted(learner._runtime.unrepeatable)  # operations without a deterministic kernel
    assert {case: found for case, found in wrong.items() if found} == {}


SAMPLE = (
    *("form own, groups apart", "form low_rank_convolution", "form weight_mask", "balancing famo", "balancing cagrad"),
    *("backbone NormsWithoutScale", "backbone FunctionalNorms", "scheme networks, triplets, separate passes"),
)


def between_layouts(case: str, made: Made, training: ModuleType) -> dict[str, float]:
    runs = [training.train(made(case, CPU, channels_last=layout)) for layout in (True, False)]
    assert not training.same_bits(*runs)  # there is a difference to tolerate
    found: dict[str, float] = training.differences(*runs, tolerance_of(case, training))
    return found


@pytest.mark.parametrize("case", SAMPLE)
def test_two_layouts_give_the_same_numbers(case: str, made: Made, training: ModuleType) -> None:
    assert between_layouts(case, made, training) == {}


@pytest.mark.long
def test_two_layouts_give_the_same_numbers_in_every_kind_of_step(
    made: Made, cases: ModuleType, training: ModuleType
) -> None:
    apart = {case: between_layouts(case, made, training) for case in cases.CASES if case != "contiguous"}
    assert {case: found for case, found in apart.items() if found} == {}


@pytest.mark.parametrize("case", SAMPLE[:2])
def test_repeats_and_interruptions_change_no_bit(case: str, made: Made, training: ModuleType) -> None:
    straight, again = (training.train(made(case, CPU), (1, 2, 3)) for _ in range(2))
    resumed = training.interrupted(lambda: made(case, CPU), (1,), (2, 3))
    assert training.same_bits(straight, again)
    assert training.same_bits(straight, resumed)
    moved = {name: value.double() * (1 + 1e-6) for name, value in straight.end.items()}
    moved = {name: value.to(straight.end[name].dtype) for name, value in moved.items()}
    assert not training.same_bits(straight, training.Training(straight.metrics, straight.start, moved))


def test_a_bias_without_a_gradient_is_found(made: Made, training: ModuleType) -> None:
    """As batch norm without a scale had it on CUDA, before ``norm_calls``."""
    right, wrong = (made("form scale", CPU) for _ in range(2))
    wrong.model.get_parameter("networks.0.backbone.stages.res3.reduce.0.1.bias").register_hook(torch.zeros_like)
    found = training.differences(training.train(right), training.train(wrong), training.Tolerance())
    assert found["networks.0.backbone.stages.res3.reduce.0.1.bias"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"compute": {"precision": "bf16"}}, "losses"),
        ({"optimization": SGD | {"learning_rate": 1.3e-4}}, "networks.0.backbone.stages.conv1.0.weight"),
        ({"train_seed": 1}, "networks.0.backbone.stages.conv1.0.weight at the start"),
    ],
)
def test_other_numbers_are_found(
    broken: dict[str, Any],
    named: str,
    trial_of: Callable[..., TrialConfig],
    learner_on: Callable[..., Learner],
    training: ModuleType,
) -> None:
    right = {"optimization": SGD, "loss": ALL_ACTIVE}
    runs = [training.train(learner_on(trial_of(**sections), CPU)) for sections in (right, right | broken)]
    assert named in training.differences(*runs, training.Tolerance())
