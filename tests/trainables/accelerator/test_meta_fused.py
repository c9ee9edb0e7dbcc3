"""No step of trials trained as one model waits for the device or copies to it; see ``test_meta_step.py``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.fused.fusible import why_not_fused
from trainables.fused.learner import FusedLearner
from trainables.training.runtime import trial_runtime

META = torch.device("meta")
SLOTS = 2

pytestmark = pytest.mark.usefixtures("meta_is_a_device")

QUICK = ("form batch_norm, groups apart", "balancing famo", "scheme networks, triplets, separate passes")

Refusal = Callable[[str], str | None]


@pytest.fixture
def refusal(
    host_reads: ModuleType, cases: ModuleType, trial_of: Callable[..., TrialConfig], noise: Callable[..., Any]
) -> Refusal:
    """Take two steps of two members on the meta device, the second in strictness; return what was refused."""

    def found(case: str) -> str | None:
        config = trial_of(**cases.CASES[case])
        compute = config.compute.model_copy(update={"data_on_device": "always", "fused": SLOTS})
        members = [config.model_copy(update={"compute": compute, "train_seed": seed}) for seed in range(SLOTS)]
        with trial_runtime(config.compute) as runtime:
            learner = FusedLearner(
                members, noise(len(config.data.tasks), 48), dataclasses.replace(runtime, device=META)
            )
            learner._shell.train()
            learner._start_epoch()
            try:
                with host_reads.nothing_from_the_host() as how:
                    for _ in range(2):
                        assert all(inputs.prepare() for inputs in learner._inputs)
                        learner._work.do(learner._take_one)
                        how.strict = how.numbers = True
            except host_reads.HostError as error:
                return str(error)
        return None

    return found


@pytest.mark.parametrize("case", QUICK)
def test_a_fused_step_stays_on_the_device(case: str, refusal: Refusal) -> None:
    assert refusal(case) is None


@pytest.mark.long
def test_every_kind_of_fused_step_stays_on_the_device(
    refusal: Refusal, cases: ModuleType, trial_of: Callable[..., TrialConfig]
) -> None:
    fused = [case for case, sections in cases.CASES.items() if why_not_fused(trial_of(**sections)) is None]
    assert len(fused) > len(cases.CASES) / 2
    assert {case: why for case in fused if (why := refusal(case)) is not None} == {}
