"""A form and a way of balancing tasks that the packages know nothing of, from a study file to a trained trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from study.definition.loading import load_study
from study.errors import UserError
from study.plan.plan import compile_plan, plan_trial
from trainables.losses.balancing import BALANCERS, Balancer, StepLoss, register_balancer
from trainables.networks.modulation import FORMS, Modulation, Site, register_form
from trainables.outcome import EpochRecord
from trainables.run import run_trial

STUDY = """
name: extended
data:
  source: {{kind: generated, train_images: 24, validation_images: 12, test_images: 12}}
  tasks: [Smiling, Glasses]
  image_size: 48
network: {{width: 0.0625}}
batches: {{batch_size: 12}}
optimization: {{epochs: 1}}
evaluation: {{triplets_per_task: 20}}
compute: {{device: cpu}}
space:
  blocks:
    - {{placement: [[res4, fc]], form: [{form}], balancing: [{balancing}]}}
"""


class Shift(Modulation):
    """y = x + b, b of every group from 0."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.shifts = nn.Parameter(torch.empty(site.groups, site.channels))

    def initialize(self, generator: torch.Generator) -> None:  # noqa: ARG002 - nothing is drawn
        nn.init.zeros_(self.shifts)

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        rows = self.shifts[groups]
        return features + rows[(..., *[None] * (features.ndim - rows.ndim))]


class WorstOnly(Balancer):
    """The step of the task with the largest loss."""

    def backward(self, loss: StepLoss, step: int) -> Tensor:  # noqa: ARG002 - nothing is random
        losses = loss.triplets.per_task
        weights = nn.functional.one_hot(losses.argmax(), self.tasks).to(losses)
        torch.autograd.backward(loss.plus_penalties((weights * losses).sum()))
        return weights


@pytest.fixture
def registered() -> Iterator[None]:
    register_form("only_shift", Shift)
    register_balancer("worst_only")(WorstOnly)
    yield
    del FORMS["only_shift"], BALANCERS["worst_only"]


def study_file(folder: Path, form: str = "only_shift", balancing: str = "worst_only") -> Path:
    path = folder / "extended.yaml"
    path.write_text(STUDY.format(form=form, balancing=balancing))
    return path


def test_what_is_registered_elsewhere_is_planned_counted_and_trained(registered: None, tmp_path: Path) -> None:
    plan = compile_plan(load_study(study_file(tmp_path)))
    (arm,) = plan.arms
    assert arm.arm.name == "res4,fc+only_shift+worst_only"
    assert arm.storage.added_parameters == 2 * (8 + 16)  # two tasks, res4 and fc at this width
    planned = plan_trial(plan, arm, stage="confirm", round_=0, index=0, nuisance={}, train_seed=1)
    told: list[EpochRecord] = []
    outcome = run_trial(planned.config, report=told.append, workspace=tmp_path / "trial", cache=tmp_path / "cache")
    assert outcome.finished
    assert {row.split for row in outcome.task_metrics} == {"validation", "test"}
    weights = [value for name, value in told[0].metrics.items() if name.startswith("balancing/weight/")]
    assert sum(weights) == pytest.approx(1)
    saved = load_file(tmp_path / "trial" / "weights.safetensors")
    shifts = {name: tensor for name, tensor in saved.items() if name.endswith(".shifts")}
    assert set(shifts) == {"networks.0.modulations.res4.shifts", "networks.0.modulations.fc.shifts"}
    assert all((tensor != 0).any() for tensor in shifts.values())
    again = run_trial(planned.config, report=told.append, workspace=tmp_path / "trial", cache=tmp_path / "cache")
    assert again.task_metrics == outcome.task_metrics


@pytest.mark.parametrize(
    ("form", "balancing", "problem"),
    [
        (
            "only_shifts",
            "worst_only",
            r"^space.blocks\[0\].form: unknown form 'only_shifts'; did you mean 'only_shift'\?",
        ),
        ("only_shift", "worst_onli", r"unknown 'worst_onli'; did you mean 'worst_only'\?"),
        ("scales", "equal", r"space.blocks\[0\].form: unknown form 'scales'; did you mean 'scale'\?"),
        ("scale", "pcgrat", r"balancing.method: unknown 'pcgrat'; did you mean 'pcgrad'\?"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_trained(
    registered: None, form: str, balancing: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=problem):
        compile_plan(load_study(study_file(tmp_path, form, balancing)))


def test_after_it_is_gone_the_name_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown form 'only_shift'"):
        compile_plan(load_study(study_file(tmp_path, balancing="equal")))


def test_a_taken_name_is_refused(registered: None) -> None:
    with pytest.raises(ValueError, match="form 'only_shift' is registered already"):
        register_form("only_shift", FORMS["scale"])
    with pytest.raises(ValueError, match="balancing method 'pcgrad' is registered already"):
        register_balancer("pcgrad")(WorstOnly)
    assert BALANCERS["pcgrad"] is not WorstOnly
