"""The backbone: the released network to the last parameter, and what every registered backbone must hold."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from trainables.config.network import NetworkConfig
from trainables.networks.backbones import BACKBONES, build_backbone, stage_shapes
from trainables.networks.backbones.batch_norm import BiasBatchNorm
from trainables.networks.backbones.simplenet import ResidualBlock

SMALL = NetworkConfig(width=0.125)


def _initialized(network: NetworkConfig = SMALL, image_size: int = 48, seed: int = 0):
    backbone = build_backbone(network, image_size)
    backbone.initialize(torch.Generator().manual_seed(seed))
    return backbone


def test_the_released_network_has_its_published_size() -> None:
    with torch.device("meta"):
        backbone = build_backbone(NetworkConfig(), 150)
    assert [(shape.name, shape.channels, shape.height) for shape in backbone.shapes] == [
        ("conv1", 32, 148),
        ("res2", 64, 73),
        ("res3", 128, 35),
        ("res4", 128, 16),
        ("res5", 128, 7),
        ("fc", 256, 1),
    ]
    trainable = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in trainable) == 2_953_664
    assert sum(parameter.numel() for parameter in trainable if parameter.ndim == 4) == 1_346_400
    assert sum(parameter.numel() for parameter in trainable if parameter.ndim == 1) == 1_632
    assert sum(buffer.numel() for buffer in backbone.buffers()) == 3_264


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize(("width", "image_size"), [(0.1, 48), (0.125, 63), (1.0, 64), (1.3, 150)])
def test_declared_shapes_are_those_of_a_forward_pass(name: str, width: float, image_size: int) -> None:
    network = NetworkConfig(backbone=name, width=width)
    with torch.device("meta"):
        backbone = build_backbone(network, image_size).eval()
        features = torch.empty(2, 3, image_size, image_size)
        assert list(backbone.stages) == [shape.name for shape in stage_shapes(network, image_size)]
        for shape, stage in zip(backbone.shapes, backbone.stages.values(), strict=True):
            features = stage(features)
            assert tuple(features.shape[1:]) in {
                (shape.channels, shape.height, shape.width),
                (shape.channels,) if shape.height == shape.width == 1 else None,
            }


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_nothing_is_allocated_under_the_meta_device_and_no_global_number_drawn(name: str) -> None:
    state = torch.random.get_rng_state()
    with torch.device("meta"):
        backbone = build_backbone(NetworkConfig(backbone=name, width=500), 150)
    assert {tensor.device.type for tensor in backbone.state_dict().values()} == {"meta"}
    _initialized(NetworkConfig(backbone=name, width=0.1), 64)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_initialize_sets_everything_from_the_generator(name: str) -> None:
    network = NetworkConfig(backbone=name, width=0.1)
    first, again, other = (_initialized(network, 64, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert all(tensor.isfinite().all() for tensor in first.values())


def test_weights_start_from_the_truncated_normal() -> None:
    weight = _initialized(NetworkConfig(), 64).get_parameter("stages.fc.1.weight").detach()
    assert float(weight.abs().max()) <= 0.2
    assert float(weight.abs().max()) > 0.19
    assert float(weight.std()) == pytest.approx(0.0880, abs=0.001)  # std of a unit normal cut at two std: 0.8796
    assert float(weight.mean()) == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize(("width", "channels"), [(0.001, [1] * 6), (0.26, [8, 17, 33, 33, 33, 67])])
def test_width_scales_every_stage(width: float, channels: list[int]) -> None:
    assert [shape.channels for shape in stage_shapes(NetworkConfig(width=width), 48)] == channels


def test_the_smallest_image_works_and_one_pixel_less_is_refused() -> None:
    assert _initialized()(torch.randn(2, 3, 48, 48)).shape == (2, 32)
    with pytest.raises(ValueError, match="image_size must be at least 48 for simplenet, got 47"):
        stage_shapes(SMALL, 47)


def test_an_unknown_backbone_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"network.backbone: unknown 'simplent'; did you mean 'simplenet'\?"):
        stage_shapes(NetworkConfig(backbone="simplent"), 64)


def test_batch_norm_is_torchs_with_its_weight_at_one() -> None:
    ours, theirs = BiasBatchNorm(5, momentum=0.005, epsilon=1e-3), nn.BatchNorm2d(5, momentum=0.005, eps=1e-3)
    with torch.no_grad():
        ours.running_mean.zero_()
        ours.running_var.fill_(1)
        theirs.bias.copy_(ours.bias.normal_())
    features = 3 + 2 * torch.randn(4, 5, 6, 6)
    assert torch.equal(ours(features), theirs(features))
    assert torch.equal(ours.running_mean, theirs.running_mean)
    assert torch.equal(ours.running_var, theirs.running_var)
    assert torch.equal(ours.eval()(features), theirs.eval()(features))


def test_the_momentum_is_that_of_the_configuration() -> None:
    norms = [
        m for m in _initialized(NetworkConfig(width=0.1, batch_norm_momentum=0.1)).modules() if hasattr(m, "momentum")
    ]
    assert {norm.momentum for norm in norms} == {0.1}
    assert len(norms) == 14


def test_a_block_is_conv_pool_conv_conv_sum() -> None:
    backbone = _initialized().eval()
    block = backbone.stages["res2"]
    assert isinstance(block, ResidualBlock)
    first, second, third = (module.weight for module in block.modules() if isinstance(module, nn.Conv2d))
    features = torch.randn(2, 4, 11, 11)

    def conv_norm_relu(values: torch.Tensor, weight: torch.Tensor, padding: int) -> torch.Tensor:
        return F.relu(
            F.conv2d(values, weight, padding=padding) / (1 + 1e-3) ** 0.5
        )  # start values: mean 0, var 1, bias 0

    pooled = F.max_pool2d(conv_norm_relu(features, first, 0), 2)
    expected = pooled + conv_norm_relu(conv_norm_relu(pooled, second, 1), third, 1)
    torch.testing.assert_close(block(features), expected)
    assert expected.shape == (2, 8, 4, 4)
