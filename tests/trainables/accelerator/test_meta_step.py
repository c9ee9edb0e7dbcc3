"""No step waits for the device or copies to it: every kind of step on torch's meta device, where values do not exist.

No machine of this project's checks has a GPU. What passes here runs on one without a synchronization in its steps, and
can be captured as a CUDA graph as far as the host is concerned; only a GPU can tell whether its kernels are right
(``test_same_numbers.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from search_spaces.catalog import RIVALS
from study.definition.model import StudyDefinition
from study.plan.plan import compile_plan
from trainables.config.trial import TrialConfig
from trainables.losses.balancing import BALANCERS, Balancer, balancer_named, register_balancer
from trainables.networks.backbones import BACKBONES, register_backbone
from trainables.networks.backbones.simplenet import simplenet
from trainables.networks.modulation import FORMS, Scale, register_form
from trainables.training.learner import Learner

META = torch.device("meta")

pytestmark = pytest.mark.usefixtures("meta_is_a_device")

READS_VALUES = dict.fromkeys(
    ("pcgrad", "cagrad", "mgda", "upgrad", "dualproj", "imtl_g", "aligned_mtl", "gradvac", "nash_mtl"),
    "its weights come from a solver on the CPU, which takes the gradients' inner products and the tasks present",
) | {"graddrop": "it takes one backward pass per task that has a triplet in the step, and the host asks which have"}
"""Balancing methods that need values on the host in every step, and why. Everything else must not."""


@pytest.fixture
def refusal(
    host_reads: ModuleType, learner_on: Callable[..., Learner], take_steps: Callable[..., None]
) -> Callable[[TrialConfig], str | None]:
    """Take two steps on the meta device, the second in strictness; return what was refused."""

    def found(config: TrialConfig) -> str | None:
        compute = config.compute.model_copy(update={"data_on_device": "always"})
        learner = learner_on(config.model_copy(update={"compute": compute}), META)
        try:
            with host_reads.nothing_from_the_host() as how:
                take_steps(learner, how)
        except host_reads.HostError as error:
            return str(error)
        return None

    return found


def test_every_kind_of_step_stays_on_the_device(
    refusal: Callable[[TrialConfig], str | None], cases: ModuleType, trial_of: Callable[..., TrialConfig]
) -> None:
    by_arms = {f"form {form.kind}" for block in RIVALS.blocks for form in block.form}  # see below
    refused = {name: refusal(trial_of(**cases.CASES[name])) for name in cases.CASES if name not in by_arms}
    excused = {f"balancing {method}" for method in READS_VALUES}
    assert {name: why for name, why in refused.items() if why is not None and name not in excused} == {}
    assert {name for name in excused if refused[name] is None} == set(), "listed without need"


@pytest.mark.long
def test_every_arm_of_the_rivals_stays_on_the_device(refusal: Callable[[TrialConfig], str | None], tiny_study) -> None:
    study = tiny_study(space="rivals", batches={"batch_size": 12}, optimization={"epochs": 1, "steps_per_epoch": 2})
    plan = compile_plan(StudyDefinition.model_validate(study), data_fingerprint="none")
    refused = {arm.arm.name: refusal(arm.config) for arm in plan.arms}
    assert len(refused) == len(plan.arms) >= 32
    excused = {arm.arm.name for arm in plan.arms if arm.config.balancing.method in READS_VALUES}
    assert {label: why for label, why in refused.items() if why is not None and label not in excused} == {}
    assert {label for label in excused if refused[label] is None} == set(), "listed without need"


def test_what_is_registered_is_a_case_without_further_ado(module_of: Callable[[str], ModuleType]) -> None:
    with patch.dict(FORMS), patch.dict(BALANCERS), patch.dict(BACKBONES):
        register_form("of_late", type("OfLate", (Scale,), {}))
        register_balancer("of_late")(type("OfLate", (Balancer,), {}))
        register_backbone("of_late", simplenet)
        cases = module_of("cases").CASES
    assert {name for name in cases if "of_late" in name} == {
        *("form of_late", "form of_late, groups apart", "balancing of_late", "backbone of_late"),
    }
    assert cases["backbone of_late"]["modulation"]["points"] == ("res5", "fc")


def test_methods_that_read_are_those_that_are_not_captured() -> None:
    captured = {method for method in BALANCERS if getattr(balancer_named(method), "captures", False)}
    assert captured == set(BALANCERS) - set(READS_VALUES)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda there: there.sum().item(), "_local_scalar_dense reads values"),
        (lambda there: bool(there.any()), "reads values"),
        (lambda there: there[there > 0], "index by a mask reads"),
        (torch.unique_consecutive, "unique_consecutive reads values"),
        (lambda there: there.cpu(), "a tensor of the device is copied to the host"),
        (lambda there: there[torch.tensor([0, 1])], "index takes tensors of the host and of the device"),
        (lambda there: there[[0, 1]], "an index that is a list"),
        (lambda there: there + torch.ones(()), "add takes tensors of the host and of the device"),
        (lambda there: torch.tensor([1.0, 2.0], device=there.device), "copies numbers of the host"),
        (lambda there: there.new_tensor([1.0]), "copies numbers of the host"),
        (lambda there: torch.ones(3).to(there.device), "_to_copy takes tensors of the host and of the device"),
    ],
)
def test_what_would_make_a_gpu_wait_is_refused(
    wrong: Callable[[Tensor], Any], said: str, host_reads: ModuleType
) -> None:
    there = torch.ones(3, device=META)
    with host_reads.nothing_from_the_host() as how:
        how.strict = True
        with pytest.raises(host_reads.HostError, match=said):
            wrong(there)


def test_work_on_either_side_is_allowed(host_reads: ModuleType) -> None:
    there = torch.ones(3, device=META)
    with host_reads.nothing_from_the_host() as how:
        how.strict = True
        assert (torch.ones(3) * 2).sum().item() == 6
        assert torch.where(there > 0, there * 2 + torch.zeros((), device=META), 0.0).shape == (3,)
        there[there > 0] = 1.0  # a masked_fill
