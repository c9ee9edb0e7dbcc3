"""GradNorm's layer is one that all tasks train, whatever network and form; and unused parts stop no method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainables.config.training import BalancingConfig
from trainables.losses.balancing import BALANCERS, check_balancing
from trainables.networks.modulation import FORMS
from trainables.training.learner import Learner

FOLDER = Path(__file__).parents[2] / "networks"
UNUSED = {"backbone": "drawing_networks:partly_unused", "points": ("body",), "folder": FOLDER, "width": 1.0}
FROZEN = UNUSED | {"backbone": "drawing_networks:all_frozen"}
TASKS = ("colour", "shape", "size")
SHARED_BELOW = {("fc",): "res5.refine.1.0", ("res4", "res5", "fc"): "res3.refine.1.0", ("conv1", "res2"): "fc.1"}


def own(*points: str, **more: Any) -> dict[str, Any]:
    return {"modulation": {"points": points, "form": "own", **more}}


def used_by(learner: Learner, weight: nn.Parameter) -> list[bool]:
    """Whether each task's loss depends on a weight, by a training pass."""
    learner.model.train()
    losses = learner.loss(next(iter(learner.batches.epoch()))).triplets.per_task
    found = [torch.autograd.grad(loss, weight, retain_graph=True, allow_unused=True)[0] for loss in losses]
    return [gradient is not None and bool(gradient.any()) for gradient in found]


@pytest.mark.parametrize("points", SHARED_BELOW)
def test_gradnorm_looks_at_the_last_layer_that_no_task_owns(
    points: tuple[str, ...], learner: Callable[..., Learner]
) -> None:
    found = learner("gradnorm", **own(*points))
    layer = found.balancer._layer
    stage, _, rest = SHARED_BELOW[points].partition(".")
    assert layer is found.model.members[0].backbone.stages[stage].get_submodule(rest).weight
    assert used_by(found, layer) == [True] * 3
    found.take_step(next(iter(found.batches.epoch())))


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"own"}))
def test_with_other_forms_all_tasks_train_the_last_layer(form: str, learner: Callable[..., Learner]) -> None:
    found = learner("gradnorm", modulation={"points": ("res5", "fc"), "form": form})
    assert found.balancer._layer is found.model.members[0].backbone.stages["fc"][1].weight
    assert used_by(found, found.balancer._layer) == [True] * 3


def test_groups_own_a_layer_together(learner: Callable[..., Learner]) -> None:
    grouped = own("fc", groups=(("colour", "shape"), ("size",)))
    assert learner("gradnorm", **grouped).balancer._layer.shape[1] < 100
    alone = own("fc", groups=(TASKS,))
    found = learner("gradnorm", **alone)
    assert found.balancer._layer is found.model.members[0].backbone.stages["fc"][1].weight


@pytest.mark.parametrize(
    "settings",
    [
        {"network_groups": (("colour",), ("shape", "size"))},
        own("conv1", "res2", "res3", "res4", "res5", "fc"),
        {"network": FROZEN, "modulation": {"points": ("embedding",)}},
    ],
)
def test_gradnorm_without_a_layer_of_all_tasks_is_refused_before_anything_is_trained(
    settings: dict[str, Any], learner: Callable[..., Learner]
) -> None:
    config = learner("famo", **settings)._config
    check_balancing(config)
    message = r"^balancing.method: 'gradnorm' compares .* on the last layer that all of them train"
    with pytest.raises(ValueError, match=message):
        check_balancing(config.model_copy(update={"balancing": BalancingConfig(method="gradnorm")}))
    with pytest.raises(ValueError, match=message):
        learner("gradnorm", **settings)


def test_the_layer_of_an_imported_network_has_a_say_in_the_embedding(learner: Callable[..., Learner]) -> None:
    found = learner("gradnorm", network=UNUSED, modulation={"points": ()})
    network = found.model.members[0].backbone.network
    assert found.balancer._layer is network.head.weight
    before = found.balancer._layer.detach().clone()
    found.take_step(next(iter(found.batches.epoch())))
    assert not torch.equal(before, found.balancer._layer)


@pytest.mark.parametrize("method", BALANCERS)
def test_layers_that_take_no_part_stop_no_method(method: str, learner: Callable[..., Learner]) -> None:
    found = learner(method, network=UNUSED, modulation={"points": ("embedding",)})
    state = {name: value.clone() for name, value in found.model.state_dict().items()}
    found.run_epoch(1)
    network = found.model.members[0].backbone.network
    for name, moved in (
        ("spare.weight", False),
        ("auxiliary.weight", False),
        ("frozen.weight", False),
        ("head.weight", True),
    ):
        key = next(known for known in state if known.endswith(f"network.{name}"))
        assert torch.equal(state[key], network.get_parameter(name)) is not moved, name


@pytest.mark.parametrize("method", BALANCERS)
def test_a_frozen_backbone_is_trained_by_its_modulation_alone(method: str, learner: Callable[..., Learner]) -> None:
    if method == "gradnorm":
        pytest.skip("refused: there is no layer that all tasks train")
    found = learner(method, network=FROZEN, modulation={"points": ("embedding",)})
    vectors = next(iter(found.model.members[0].modulations.parameters()))
    before = vectors.detach().clone()
    found.run_epoch(1)
    assert not torch.equal(before, vectors)
