"""The released network layer by layer: sizes, weights and work from arithmetic, against what is built and counted."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.data import DataConfig
from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.backbones import build_backbone
from trainables.networks.multi_task import assemble_model

INPUT, KERNEL = 150, 3
BLOCKS = {"res2": (32, 64), "res3": (64, 128), "res4": (128, 128), "res5": (128, 128)}


def layers_by_hand() -> dict[str, tuple[int, int, int]]:
    """Name of every layer with weights -> side of its output, weights, millions of multiply-adds times 10^6."""
    side = INPUT - KERNEL + 1  # no padding, stride 1
    found = {"conv1.0": (side, 3 * 32 * KERNEL**2, 0)}
    for block, (channels_in, channels) in BLOCKS.items():
        side = side - KERNEL + 1
        found[f"{block}.reduce.0.0"] = (side, channels_in * channels * KERNEL**2, 0)
        side //= 2  # 2 x 2 max pooling drops an odd last row
        for place in (0, 1):
            found[f"{block}.refine.{place}.0"] = (side, channels * channels * KERNEL**2, 0)
    found["fc.1"] = (1, side * side * 128 * 256, 0)
    return {name: (side, weights, side * side * weights) for name, (side, weights, _) in found.items()}


LITERALS = {
    "conv1.0": (148, 864, 18.9),
    "res2.reduce.0.0": (146, 18_432, 392.9),
    "res2.refine.0.0": (73, 36_864, 196.4),
    "res3.reduce.0.0": (71, 73_728, 371.7),
    "res3.refine.1.0": (35, 147_456, 180.6),
    "res4.reduce.0.0": (33, 147_456, 160.6),
    "res4.refine.0.0": (16, 147_456, 37.7),
    "res5.reduce.0.0": (14, 147_456, 28.9),
    "res5.refine.1.0": (7, 147_456, 7.2),
    "fc.1": (1, 1_605_632, 1.6),
}
"""From the released TensorFlow code, counted by hand; the last number is in millions."""


def test_the_arithmetic_gives_the_published_figures() -> None:
    found = layers_by_hand()
    for name, (side, weights, millions) in LITERALS.items():
        assert found[name][:2] == (side, weights)
        assert found[name][2] / 1e6 == pytest.approx(millions, abs=0.06)
    assert len(found) == 14
    assert sum(weights for _, weights, _ in found.values()) == 2_952_032
    assert sum(work for *_, work in found.values()) / 1e6 == pytest.approx(1_818.7, abs=0.05)


def test_every_layer_has_the_size_the_weights_and_the_work_of_the_arithmetic() -> None:
    seen: dict[str, tuple[int, int]] = {}
    with torch.device("meta"), torch.no_grad():
        backbone = build_backbone(NetworkConfig(), INPUT).eval()
        names = {module: name.removeprefix("stages.") for name, module in backbone.named_modules()}

        def look(layer: nn.Module, _: object, output: torch.Tensor) -> None:
            side = output.shape[-1] if output.ndim == 4 else 1
            seen[names[layer]] = (side, layer.get_parameter("weight").numel())

        for layer in names:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(look)
        with FlopCounterMode(display=False, depth=10) as counter:
            backbone(torch.empty(1, 3, INPUT, INPUT))
    by_hand = layers_by_hand()
    assert seen == {name: figures[:2] for name, figures in by_hand.items()}
    counted = {name.split("stages.")[-1]: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    assert {name: counted[name] for name in by_hand} == {name: 2 * work for name, (*_, work) in by_hand.items()}
    assert counter.get_total_flops() == 2 * sum(work for *_, work in by_hand.values())


def test_pooling_halves_and_the_linear_layer_sees_6272_numbers() -> None:
    with torch.device("meta"), torch.no_grad():
        backbone = build_backbone(NetworkConfig(), INPUT).eval()
        features = torch.empty(2, 3, INPUT, INPUT)
        sides = {}
        for name, stage in list(backbone.stages.items())[:-1]:
            features = stage(features)
            sides[name] = features.shape[-1]
    assert sides == {"conv1": 148, "res2": 73, "res3": 35, "res4": 16, "res5": 7}
    assert features[0].numel() == 6_272
    flatten, linear, norm, rectify = backbone.stages["fc"]
    assert (linear.in_features, linear.out_features, linear.bias) == (6_272, 256, None)
    assert flatten(features).shape == (2, 6_272)
    assert isinstance(rectify, nn.ReLU)
    assert norm.bias.numel() == 256


def test_every_norm_has_a_bias_two_statistics_and_no_scale() -> None:
    with torch.device("meta"):
        backbone = build_backbone(NetworkConfig(), INPUT)
    norms = {name: module for name, module in backbone.named_modules() if hasattr(module, "running_mean")}
    channels = [32, *(count for _, count in BLOCKS.values() for _ in range(3)), 256]
    assert [norm.running_mean.numel() for norm in norms.values()] == channels
    for norm in norms.values():
        assert [name for name, _ in norm.named_parameters()] == ["bias"]
        assert norm.bias.shape == norm.running_mean.shape == norm.running_var.shape
    assert sum(channels) == 1_632
    convolutions = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    assert {(module.kernel_size, module.stride, module.bias) for module in convolutions} == {((3, 3), (1, 1), None)}


@pytest.mark.parametrize(("tasks", "total"), [(1, 2_954_176), (7, 2_957_248), (20, 2_963_904), (40, 2_974_144)])
def test_the_released_network_with_its_vectors(tasks: int, total: int) -> None:
    """7 tasks as released, 512 numbers each; and the 20 and 40 attributes its README speaks of."""
    config = TrialConfig(
        data=DataConfig(tasks=tuple(f"task{index}" for index in range(tasks)), image_size=INPUT),
        modulation=ModulationConfig(points=("res4", "res5", "fc")),
    )
    model = assemble_model(config)
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert sum(parameter.numel() for parameter in trainable.values()) == total
    vectors = [tuple(parameter.shape) for name, parameter in trainable.items() if "modulations" in name]
    assert vectors == [(tasks, 128), (tasks, 128), (tasks, 256)]
