"""Networks of the user's as backbones: what is found at their points, and that they compute what they did before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainables.config.network import NetworkConfig, WeightsConfig
from trainables.networks.backbones import StageShape, build_backbone, stage_shapes
from trainables.networks.backbones.backbone import is_layer
from trainables.networks.backbones.imported.backbone import ImportedBackbone
from trainables.networks.backbones.imported.loading import on_meta
from trainables.networks.backbones.imported.probe import embedding_of, result_of

FOLDER = Path(__file__).parents[1] / "networks"
STAGES = ("encoder.stages.0", "encoder.stages.1", "encoder.stages.2")
POINTS = {
    "resnet": ("embedder", *STAGES),
    "convnext": ("embeddings", *STAGES),
    "mobilenet": ("conv_stem", "layer.3", "layer.10", "conv_1x1"),
    "regnet": ("embedder", *STAGES),
}
CHANNELS = {
    "resnet": [8, 8, 12, 16, 16],
    "convnext": [8, 8, 12, 16, 16],
    "mobilenet": [4, 4, 12, 1280, 1280],
    "regnet": [8, 8, 12, 16, 16],
}
STAGED = {"resnet": True, "convnext": False, "mobilenet": True, "regnet": True}
SAMPLES = {
    "Chain": True,
    "Vector": True,
    "Flattened": True,
    "Functional": False,
    "FunctionalInPlace": False,
    "Skip": False,
    "SkipInPlace": False,
    "SkipToTheEnd": False,
    "InTraining": False,
    "Remembering": False,
}
EVERY = {**POINTS, **dict.fromkeys(SAMPLES, ("a", "b", "c"))}


def _config(name: str, points: tuple[str, ...] | None = None, **settings: Any) -> NetworkConfig:
    return NetworkConfig(backbone=f"sample_networks:{name}", points=points or EVERY[name], folder=FOLDER, **settings)


def _built(network: NetworkConfig, image_size: int = 32, seed: int = 0) -> ImportedBackbone:
    backbone = build_backbone(network, image_size)
    assert isinstance(backbone, ImportedBackbone)
    backbone.initialize(torch.Generator().manual_seed(seed))
    return backbone


def _images(count: int = 3, size: int = 32) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", POINTS)
def test_points_of_transformers_networks(name: str) -> None:
    backbone = _built(_config(name))
    assert [shape.name for shape in backbone.shapes] == [*POINTS[name], "embedding"]
    assert [shape.channels for shape in backbone.shapes] == CHANNELS[name]
    assert backbone.shapes[-1] == StageShape("embedding", CHANNELS[name][-1], 1, 1)
    assert backbone.staged is STAGED[name]
    seen: dict[str, Tensor] = {}
    for point in POINTS[name]:
        backbone.network.get_submodule(point).register_forward_hook(
            lambda _module, _inputs, output, point=point: seen.update({point: output})
        )
    backbone(_images())
    assert [tuple(seen[shape.name].shape[1:]) for shape in backbone.shapes[:-1]] == [
        (shape.channels, shape.height, shape.width) for shape in backbone.shapes[:-1]
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_only_a_chain_is_staged(name: str) -> None:
    assert _built(_config(name)).staged is SAMPLES[name]


@pytest.mark.parametrize("name", EVERY)
def test_it_computes_what_the_network_does(name: str) -> None:
    ours, theirs = _built(_config(name)), _built(_config(name)).network
    for _ in range(2):
        result = result_of(theirs(_images()))
        assert result is not None
        assert torch.equal(ours(_images()), embedding_of(result))
    ours.eval(), theirs.eval()
    result = result_of(theirs(_images(size=40)))
    assert result is not None
    assert torch.equal(ours(_images(size=40)), embedding_of(result))
    assert all(torch.equal(a, b) for a, b in zip(ours.buffers(), theirs.buffers(), strict=True))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("training", [True, False])
def test_in_stages_or_in_hooks_a_change_at_a_point_does_the_same(name: str, training: bool) -> None:
    """Every network is run in hooks too, so a staged one is held to what the whole network does when it is changed."""

    def change(point: str, features: Tensor) -> Tensor:
        factors = torch.linspace(-1, 2, features.shape[1]) * (1 + len(point))
        return features * factors[(slice(None), *[None] * (features.ndim - 2))]

    network = _config(name, batch_norm_momentum=1.0)  # so that one step fills the running statistics
    backbone = _built(network)
    probe = replace(backbone._probe, chain=None)
    hooked = ImportedBackbone(_built(network).network, probe, nn.Identity)
    assert not hooked.staged
    assert torch.equal(backbone.run(_images(), change), hooked.run(_images(), change))
    backbone.train(training), hooked.train(training)
    changed = backbone.run(_images(), change)
    assert torch.equal(changed, hooked.run(_images(), change))
    assert not torch.allclose(changed, backbone(_images()), atol=1e-3)
    points: list[str] = []
    backbone.run(_images(), lambda point, features: points.append(point) or features)
    assert points == [shape.name for shape in backbone.shapes]
    assert not any(module._forward_hooks for module in hooked.modules())


@pytest.mark.parametrize("name", EVERY)
def test_every_tensor_belongs_to_one_stage_and_layers_are_in_the_order_they_run(name: str) -> None:
    backbone = _built(_config(name))
    stages = [shape.name for shape in backbone.shapes]
    for mine, all_of_them in (
        ([t for stage in stages for t in backbone.stage_parameters(stage)], list(backbone.parameters())),
        ([t for stage in stages for t in backbone.stage_buffers(stage)], list(backbone.buffers())),
    ):
        assert sorted(map(id, mine)) == sorted(map(id, all_of_them))
    ran: list[tuple[str, nn.Module]] = []
    stage = iter(stages)
    now = [next(stage)]

    def at_point(_: str, features: Tensor) -> Tensor:
        now[0] = next(stage, "")
        return features

    for module in backbone.network.modules():
        if is_layer(module):
            module.register_forward_hook(lambda module, _inputs, _output: ran.append((now[0], module)))
    backbone.run(_images(), at_point)
    for stage_name in stages:
        layers = backbone.layers(stage_name)
        # A module that holds others ends after them, and is named before.
        assert set(layers.values()) == {module for at, module in ran if at == stage_name}
        leaves = [layer for layer in layers.values() if not list(layer.children())]
        assert leaves == [module for at, module in ran if at == stage_name and not list(module.children())]
        assert all(backbone.get_submodule(key) is layer for key, layer in layers.items())


def test_what_never_runs_belongs_to_the_last_stage() -> None:
    backbone = _built(_config("Chain"))
    spare = {id(parameter) for parameter in backbone.network.get_submodule("spare").parameters()}
    assert spare <= {id(parameter) for parameter in backbone.stage_parameters("embedding")}
    assert backbone.layers("embedding") == {}


def test_points_are_in_the_order_they_run_and_a_last_vector_is_the_embedding() -> None:
    shapes = stage_shapes(_config("Vector", ("head", "a", "c")), 32)
    assert [shape.name for shape in shapes] == ["a", "c", "head"]
    assert shapes[-1] == StageShape("head", 5, 1, 1)
    backbone = _built(_config("Vector", ("head", "a")))
    assert backbone.staged
    assert torch.equal(backbone(_images()), _built(_config("Vector")).network(_images()))
    inner = _built(_config("Vector", ("a.0", "a", "b.1")))
    assert not inner.staged  # a stage cannot end at a.0 and at a, which holds it
    assert _built(_config("Vector", ("a.0", "b.1"))).staged


def test_start_values_come_from_the_generator_and_move_no_global_stream() -> None:
    state = torch.random.get_rng_state()
    for name in ("resnet", "Buffers"):
        network = _config(name, EVERY.get(name, ("b",)))
        first, again, other = (_built(network, seed=seed) for seed in (3, 3, 4))
        tensors = [
            dict(backbone.named_parameters()) | dict(backbone.named_buffers()) for backbone in (first, again, other)
        ]
        assert all(torch.equal(tensors[0][key], tensors[1][key]) for key in tensors[0])
        assert any(not torch.equal(tensors[0][key], tensors[2][key]) for key in tensors[0])
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.get_buffer("network.passing").tolist() == [0, 1, 2, 3]
    assert [tuple(buffer.shape) for buffer in first.stage_buffers("embedding")] == [(3,)]  # the other is never saved


def test_nothing_is_allocated_for_a_plan() -> None:
    with torch.device("meta"):
        backbone = build_backbone(_config("resnet"), 32)
    assert {tensor.device.type for tensor in (*backbone.parameters(), *backbone.buffers())} == {"meta"}


def test_arguments_and_momentum_reach_the_network() -> None:
    one, two = (_built(_config("resnet", arguments={"depth": depth})) for depth in (1, 2))
    assert len(two.layers("encoder.stages.0")) == 2 * len(one.layers("encoder.stages.0"))
    momenta = {module.momentum for module in two.modules() if isinstance(module, nn.BatchNorm2d)}
    assert momenta == {0.1}
    changed = _built(_config("resnet", batch_norm_momentum=0.3))
    assert {module.momentum for module in changed.modules() if isinstance(module, nn.BatchNorm2d)} == {0.3}


def test_start_weights_have_the_networks_own_names(tmp_path: Path) -> None:
    source = _built(_config("resnet"), seed=9)
    path = tmp_path / "resnet.safetensors"
    save_file(source.network.state_dict(), path)
    loaded = _built(_config("resnet", weights=WeightsConfig(path=path)))
    own = source.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in loaded.state_dict().items())
    save_file({name: t for name, t in source.network.state_dict().items() if not name.startswith("embedder")}, path)
    with pytest.raises(ValueError, match=r"resnet\.safetensors has no tensor for 'network\.embedder\.embedder"):
        _built(_config("resnet", weights=WeightsConfig(path=path)))


def test_a_network_is_made_on_the_meta_device_even_from_tensors_elsewhere() -> None:
    class Elsewhere(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Conv2d(3, 2, 1, device="cpu"))

    assert {parameter.device.type for parameter in on_meta(Elsewhere).parameters()} == {"meta"}
