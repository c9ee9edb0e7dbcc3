"""Statistics and gradients of every norm in the product against float64, in both layouts, and biases that learn."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.networks.backbones import BACKBONES
from trainables.networks.backbones.batch_norm import BatchNorm, BiasBatchNorm
from trainables.networks.backbones.norm_calls import SoundNorms
from trainables.networks.insertion import insert_modulation
from trainables.networks.modulation import FORMS
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.sampling.batch import Batch
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

TASKS = ("a", "b", "c")
LAYOUTS = (torch.channels_last, torch.contiguous_format)
FIRST_STAGE = {"simplenet": "conv1", "csn_resnet18": "stem"}
FORMS_OF_STATISTICS = ("batch_norm", "batch_norm_statistics", "own")


def distance(found: Tensor, right: Tensor) -> float:
    return float((found.detach().double() - right.detach()).norm() / right.detach().norm())


def normal(*shape: int, mean: float = 0.0, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2 + mean


class Functional(nn.Module):
    """Calls norms as functions, in the ways people do, with biases and without scales."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.biases = nn.ParameterList(torch.zeros(8) for _ in range(5))
        self.register_buffer("running_mean", torch.zeros(8))
        self.register_buffer("running_var", torch.ones(8))

    def forward(self, images: Tensor) -> Tensor:
        moving = self.running_mean, self.running_var
        features = F.batch_norm(self.first(images), *moving, bias=self.biases[0], training=self.training)
        features = torch.batch_norm(features, None, self.biases[1], None, None, True, 0.1, 1e-5, False)
        features = F.group_norm(self.second(features), 2, bias=self.biases[2])
        features = F.instance_norm(features, bias=self.biases[3])
        return F.layer_norm(features.relu().mean((2, 3)), (8,), bias=self.biases[4])


def modules() -> nn.Module:
    partly = nn.BatchNorm2d(8)
    partly.register_parameter("weight", None)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), partly, nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8, track_running_stats=False),
        nn.ReLU(), nn.Conv2d(8, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8),
    )  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "shape", [(48, 32, 62, 62), (31, 7, 61, 61), (13, 3, 150, 150), (5000, 40), (9, 2, 23, 23), (64, 256)]
)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [BiasBatchNorm, BatchNorm])
def test_batch_norm_is_right_to_a_millionth(
    kind: type[BiasBatchNorm], training: bool, shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    norm = kind(shape[1], 1.0, 1e-3)
    norm.start()
    norm.train(training)
    if not training:
        norm.running_mean.copy_(normal(shape[1], mean=3))
        norm.running_var.copy_(normal(shape[1]).abs() + 1)
    exact = copy.deepcopy(norm).double()
    maps = layout if len(shape) == 4 else torch.contiguous_format
    features = normal(*shape, mean=3).contiguous(memory_format=maps).requires_grad_()
    toward = normal(*shape, mean=0.5, seed=1).contiguous(memory_format=maps)
    output, right = norm(features), exact(wide := features.detach().double().requires_grad_())
    assert output.stride() == features.stride()
    found = torch.autograd.grad(output, [features, *norm.parameters()], toward)
    expected = torch.autograd.grad(right, [wide, *exact.parameters()], toward.double())
    assert distance(output, right) < 1e-6
    assert distance(found[0], expected[0]) < 1e-6
    for gradient, one in zip(found[1:], expected[1:], strict=True):
        # a sum of numbers of both signs: what is left of it may be small beside its terms
        assert float((gradient - one).abs().max()) < 1e-6 * features.numel() / shape[1]
    assert distance(norm.running_mean, exact.running_mean) < 1e-6
    assert distance(norm.running_var, exact.running_var) < 1e-6


def test_a_single_number_per_channel_is_refused_and_double_is_left_to_torch() -> None:
    with SoundNorms(), pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(3)(torch.ones(1, 3, 1, 1))
    features = normal(9, 2, 23, 23).double().contiguous(memory_format=torch.channels_last)
    with SoundNorms():
        found = nn.BatchNorm2d(2).double()(features)
    assert torch.equal(found, nn.BatchNorm2d(2).double()(features))


@pytest.mark.parametrize("scale", [1e17, 1e20])
def test_numbers_that_overflow_go_on_as_with_torch(scale: float) -> None:
    """A trial with far too high a rate ends no sooner: a variance of infinity gives outputs of zero, not NaN."""
    outputs = []
    for maps in LAYOUTS:
        norm = BatchNorm(4, 1.0, 1e-3)
        norm.start()
        features = (scale * normal(32, 4, 20, 20)).contiguous(memory_format=maps).requires_grad_()
        output = norm(features)
        output.square().sum().backward()
        outputs.append(output)
        assert output.isfinite().all()
        assert features.grad is not None
        assert features.grad.isfinite().all()
    assert (outputs[0].abs().max() > 0) == (scale < 1e18)


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_group_norm_of_channels_last_maps_is_as_right_as_of_others(mean: float) -> None:
    features = normal(4, 16, 60, 60, mean=mean).contiguous(memory_format=torch.channels_last)
    norm = nn.GroupNorm(4, 16)
    with SoundNorms():
        found = norm(features)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert distance(found, copy.deepcopy(norm).double()(features.double())) < 3e-6


def trial(backbone: str, form: str, points: Sequence[str], **settings: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS, "image_size": 64},
            "network": {"backbone": backbone, "width": 0.125, "batch_norm_momentum": 1.0},
            "modulation": {"points": points, "form": form},
            "batches": {"batch_size": 12},
            "compute": {"device": "cpu"},
        }
        | settings
    )


def statistics(model: nn.Module) -> dict[str, Tensor]:
    ends = ("running_mean", "running_var", "own_mean", "own_variance")
    return {name: buffer for name, buffer in model.named_buffers() if name.endswith(ends)}


def images(count: int, size: int) -> Tensor:
    return normal(count, 3, size, size, mean=0.3).contiguous(memory_format=torch.channels_last)


def check_against_double(embed: Callable[[nn.Module, Tensor], Tensor], model: nn.Module, size: int) -> None:
    """One training pass in float32 channels_last and in float64: statistics, and the gradient of every weight."""
    model.train()
    exact = copy.deepcopy(model).double()
    model.to(memory_format=torch.channels_last)
    gradients = []
    for each in (model, exact):
        embedded = embed(each, images(48, size).to(next(each.parameters()).dtype))
        toward = normal(*embedded.shape).to(embedded.dtype)
        weights = [parameter for parameter in each.parameters() if parameter.ndim > 1]
        found = torch.autograd.grad((embedded * toward).sum(), weights, allow_unused=True)
        gradients.append(torch.cat([gradient.flatten() for gradient in found if gradient is not None]))
    right = statistics(exact)
    assert right
    for name, buffer in statistics(model).items():
        assert distance(buffer, right[name]) < 1e-5, name
    assert distance(*gradients) < 2e-3  # in float32 a few ReLUs fall on the other side; torch's own sums give 1e-2


def embed_all(model: nn.Module, batch: Tensor) -> Tensor:
    assert isinstance(model, MultiTaskModel)
    return model.embed_tasks(batch)


QUICK_NETWORKS = {("simplenet", None), ("csn_resnet18", "batch_norm_statistics")}


@pytest.mark.parametrize(
    ("backbone", "form"),
    [
        pytest.param(backbone, form, marks=() if (backbone, form) in QUICK_NETWORKS else pytest.mark.long)
        for backbone in BACKBONES
        for form in (None, *FORMS_OF_STATISTICS)
    ],
)
def test_running_statistics_and_gradients_of_a_network_are_those_of_float64(backbone: str, form: str | None) -> None:
    points = [FIRST_STAGE[backbone]] if form else []
    check_against_double(embed_all, build_model(trial(backbone, form or "scale", points)), 64)


@pytest.mark.parametrize("make", [modules, Functional])
def test_an_imported_network_has_right_statistics_too(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = make()
    point = "first" if make is Functional else "0"
    modulated = insert_modulation(network, [point], TASKS, 40)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    check_against_double(lambda model, batch: model.embed_tasks(batch), modulated, 40)  # type: ignore[operator]


class BiasesAlone(TorchDispatchMode):
    """Notes the norms that torch is asked to compute with a bias and without a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = 0
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "norm" in func.__name__ and "layer" not in func.__name__ and "backward" not in func.__name__:
            names = [argument.name for argument in func._schema.arguments]
            given: Mapping[str, Any] = dict(zip(names, args, strict=False)) | (kwargs or {})
            self.norms += "bias" in given
            if given.get("bias") is not None and given.get("weight") is None:
                self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


ALL_ARMS = [(backbone, form) for backbone in BACKBONES for form in sorted(FORMS)]


def training_step(config: TrialConfig) -> MultiTaskModel:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, Split(pixels, np.tile([0, 1], (3, 6)).T.copy()), runtime)
        learner.model.train()
        learner.take_step(Batch(np.arange(12)))
    return learner.model


def check_biases_learn(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if name.endswith("bias") and ".modulations." not in name:
            assert parameter.grad is not None, name
            assert parameter.grad.shape == parameter.shape, name


@pytest.mark.parametrize(("backbone", "form"), ALL_ARMS)
def test_no_norm_of_any_arm_has_a_bias_and_no_scale(backbone: str, form: str) -> None:
    """On CUDA such a bias gets no gradient; the call is the same on every device."""
    with BiasesAlone() as calls:
        model = training_step(trial(backbone, form, [FIRST_STAGE[backbone]]))
    assert calls.norms
    assert calls.found == []
    check_biases_learn(model)


@pytest.mark.parametrize("training", [True, False])
def test_no_norm_of_an_imported_network_has_a_bias_and_no_scale(training: bool) -> None:
    for network, point in ((Functional(), "first"), (modules(), "0")):
        modulated = insert_modulation(network, [point], TASKS, 40).train(training)
        for layout in LAYOUTS:
            with BiasesAlone() as calls:
                modulated.embed_tasks(images(4, 40).contiguous(memory_format=layout)).square().sum().backward()
            assert calls.norms
            assert calls.found == []
            check_biases_learn(modulated)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("backbone", "form"), ALL_ARMS)
def test_every_arm_takes_a_step_on_cuda(backbone: str, form: str, precision: str) -> None:
    compute = {"device": "cuda", "precision": precision}
    check_biases_learn(training_step(trial(backbone, form, [FIRST_STAGE[backbone]], compute=compute)))
