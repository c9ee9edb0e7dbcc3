"""ResNet-18 of Conditional Similarity Networks: its published size, its work, its start, and weights from files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.data import DataConfig
from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig, WeightsConfig
from trainables.config.trial import TrialConfig
from trainables.networks.backbones import Backbone, build_backbone, stage_shapes
from trainables.networks.ledger import storage_ledger

SMALL = NetworkConfig(backbone="csn_resnet18", width=0.125)


def _built(network: NetworkConfig = SMALL, image_size: int = 32, seed: int = 0) -> Backbone:
    backbone = build_backbone(network, image_size)
    backbone.initialize(torch.Generator().manual_seed(seed))
    return backbone


def _block(channels_in: int, channels: int) -> int:
    """Weights and batch norms of a basic block, by hand."""
    projection = channels_in * channels + 2 * channels if channels_in != channels else 0
    return 9 * channels_in * channels + 9 * channels**2 + 4 * channels + projection


BY_STAGE = {
    "stem": 3 * 49 * 64 + 2 * 64,
    "layer1": 2 * _block(64, 64),
    "layer2": _block(64, 128) + _block(128, 128),
    "layer3": _block(128, 256) + _block(256, 256),
    "embedding": 256 * 64 + 64,
}


def test_it_has_its_published_size_stage_by_stage() -> None:
    network = NetworkConfig(backbone="csn_resnet18")
    with torch.device("meta"):
        backbone = build_backbone(network, 112)
    counted = {name: sum(p.numel() for p in backbone.stage_parameters(name)) for name in backbone.stages}
    assert counted == BY_STAGE
    assert sum(BY_STAGE.values()) - BY_STAGE["embedding"] == 2_782_784
    assert BY_STAGE["embedding"] == 16_448
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 2_799_232
    assert [(s.name, s.channels, s.height, s.width) for s in backbone.shapes] == [
        ("stem", 64, 28, 28),
        ("layer1", 64, 28, 28),
        ("layer2", 128, 14, 14),
        ("layer3", 256, 7, 7),
        ("embedding", 64, 1, 1),
    ]


def test_its_work_is_that_of_its_convolutions() -> None:
    layer1 = 4 * 28**2 * 9 * 64 * 64
    layer2 = 14**2 * (9 * 64 * 128 + 64 * 128 + 3 * 9 * 128 * 128)
    layer3 = 7**2 * (9 * 128 * 256 + 128 * 256 + 3 * 9 * 256 * 256)
    work = {
        "stem": 56**2 * 49 * 3 * 64,
        "layer1": layer1,
        "layer2": layer2,
        "layer3": layer3,
        "embedding": 256 * 64,
    }
    ledger = storage_ledger(
        TrialConfig(data=DataConfig(tasks=("a",), image_size=112), network=NetworkConfig(backbone="csn_resnet18"))
    )
    assert {part.name: part.multiply_adds_per_image for part in ledger.components} == work
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build_backbone(NetworkConfig(backbone="csn_resnet18"), 112).eval()(torch.empty(1, 3, 112, 112))
    assert counter.get_total_flops() == 2 * sum(work.values())


def test_vectors_of_four_conditions_cost_what_the_reference_says() -> None:
    def added(points: tuple[str, ...]) -> int:
        return storage_ledger(
            TrialConfig(
                data=DataConfig(tasks=("a", "b", "c", "d"), image_size=112),
                network=NetworkConfig(backbone="csn_resnet18"),
                modulation=ModulationConfig(points=points),
            )
        ).added_parameters

    assert added(("embedding",)) == 256
    assert added(("layer2", "layer3", "embedding")) == 1792
    assert added(("stem", "layer1", "layer2", "layer3", "embedding")) == 2304


def test_width_scales_the_maps_and_not_the_embedding() -> None:
    assert [shape.channels for shape in stage_shapes(SMALL, 32)] == [8, 8, 16, 32, 64]
    sized = NetworkConfig(backbone="csn_resnet18", width=0.125, embedding_size=10)
    assert _built(sized)(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert stage_shapes(NetworkConfig(embedding_size=10), 48)[-1].channels == 10


def test_the_smallest_image_works_and_one_pixel_less_is_refused() -> None:
    assert stage_shapes(SMALL, 32)[-2].height == 2
    with pytest.raises(ValueError, match="image_size must be at least 32 for csn_resnet18, got 31"):
        stage_shapes(SMALL, 31)


def test_convolutions_start_by_their_outputs_and_the_embedding_as_torchs() -> None:
    backbone = _built(NetworkConfig(backbone="csn_resnet18"))
    weight = backbone.get_parameter("stages.layer3.0.conv2.weight").detach()
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (9 * 256)), rel=0.01)
    assert float(weight.mean()) == pytest.approx(0, abs=1e-3)
    for name in ("weight", "bias"):
        values = backbone.get_parameter(f"stages.embedding.embeddingnet.{name}").detach().abs()
        assert 1 / 16 * 0.9 < float(values.max()) <= 1 / 16
    assert {norm.momentum for norm in backbone.modules() if hasattr(norm, "momentum")} == {0.1}


def test_it_computes_what_torchs_own_layers_do() -> None:
    backbone = _built().train()
    reference, images = _Reference(8), torch.randn(4, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    tensors = {
        name.removeprefix("stages.stem.").removeprefix("stages."): t for name, t in backbone.state_dict().items()
    }
    outcome = reference.load_state_dict(tensors, strict=False)
    assert all(key.endswith("num_batches_tracked") for key in outcome.missing_keys)
    assert [key for key in outcome.unexpected_keys if not key.startswith("embedding")] == []
    linear = tensors["embedding.embeddingnet.weight"], tensors["embedding.embeddingnet.bias"]
    for mode in (True, False):
        backbone.train(mode)
        reference.train(mode)
        expected = F.linear(F.adaptive_avg_pool2d(reference(images), 1).flatten(1), *linear)
        torch.testing.assert_close(backbone(images), expected)


class _Reference(nn.Module):
    """ResNet-18 up to layer3 from ``torch.nn`` alone, with torchvision's names."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_block_of(channels, channels, 1), _block_of(channels, channels, 1))
        self.layer2 = nn.Sequential(_block_of(channels, 2 * channels, 2), _block_of(2 * channels, 2 * channels, 1))
        self.layer3 = nn.Sequential(_block_of(2 * channels, 4 * channels, 2), _block_of(4 * channels, 4 * channels, 1))

    def forward(self, images: Tensor) -> Tensor:
        features = F.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3):
            for block in layer:
                kept = block["downsample"](features) if "downsample" in block else features
                features = block["bn1"](block["conv1"](features)).relu()
                features = (block["bn2"](block["conv2"](features)) + kept).relu()
        return features


def _block_of(channels_in: int, channels: int, stride: int) -> nn.ModuleDict:
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
        "bn1": nn.BatchNorm2d(channels),
        "conv2": nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
        "bn2": nn.BatchNorm2d(channels),
    }
    if stride == 2:
        parts["downsample"] = nn.Sequential(
            nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )
    return nn.ModuleDict(parts)


def _torchvision_file(width: float = 0.125, seed: int = 7) -> dict[str, Tensor]:
    """A whole ResNet-18 under torchvision's names."""
    source = _built(NetworkConfig(backbone="csn_resnet18", width=width), seed=seed).state_dict()
    tensors = {
        name.removeprefix("stages.stem.").removeprefix("stages."): tensor
        for name, tensor in source.items()
        if "embedding" not in name
    }
    extra = {
        "layer4.0.conv1.weight": torch.zeros(4, 4, 3, 3),
        "fc.weight": torch.zeros(10, 4),
        "fc.bias": torch.zeros(10),
    }
    return tensors | extra | {"bn1.num_batches_tracked": torch.tensor(3)}


def _with_weights(path: Path, **settings: Any) -> NetworkConfig:
    return NetworkConfig(backbone="csn_resnet18", width=0.125, weights=WeightsConfig(path=path), **settings)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_a_torchvision_file_gives_the_maps_and_the_seed_the_embedding(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_file(_torchvision_file(), path) if path.suffix == ".safetensors" else torch.save(_torchvision_file(), path)
    loaded, source, drawn = _built(_with_weights(path), seed=1), _built(seed=7), _built(seed=1)
    of_the_file, of_the_seed = source.state_dict(), drawn.state_dict()
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, (of_the_seed if "embedding" in key else of_the_file)[key]), key


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_of_transformers_computes_the_same(tmp_path: Path, whole: bool) -> None:
    from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[2, 2, 2, 2], layer_type="basic")
    theirs = (ResNetForImageClassification if whole else ResNetModel)(config).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    ours = _built(_with_weights(tmp_path / "model.safetensors")).eval()
    images, resnet = torch.randn(2, 3, 32, 32), theirs.resnet if whole else theirs
    features = resnet.embedder(images)
    assert torch.equal(ours.stages["stem"](images), features)
    for index in range(3):
        features = resnet.encoder.stages[index](features)
    maps = images
    for name in ("stem", "layer1", "layer2", "layer3"):
        maps = ours.stages[name](maps)
    torch.testing.assert_close(maps, features)


def _faulty(change: str) -> dict[str, Tensor]:
    tensors = _torchvision_file()
    match change:
        case "missing":
            del tensors["layer2.0.bn1.weight"]
        case "unknown":
            tensors["layer2.0.bn3.weight"] = torch.zeros(16)
        case "shape":
            tensors["conv1.weight"] = torch.zeros(16, 3, 7, 7)
    return tensors


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "missing",
            r"has no tensor for 'stages.layer2.0.bn1.weight', 16; nearest name in the file: 'layer",
        ),
        ("unknown", r"has a tensor that this network does not have: 'layer2.0.bn3.weight'; leave it out"),
        ("shape", r"'conv1.weight' is 16 x 3 x 7 x 7, this network has 8 x 3 x 7 x 7$"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, change: str, problem: str) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(_faulty(change), path)
    with pytest.raises(ValueError, match=rf"^network\.weights\.path: {path}:? {problem}"):
        _built(_with_weights(path))


def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone.pth cannot be read: No such file"):
        _built(_with_weights(tmp_path / "gone.pth"))
    for name, content in (("a.safetensors", b"nothing"), ("a.pth", b"nothing"), ("b.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} is neither a safetensors file nor a plain torch state dict"):
            _built(_with_weights(tmp_path / name))
    torch.save({"state_dict": _torchvision_file(), "epoch": 3}, tmp_path / "c.pth")
    with pytest.raises(ValueError, match=r"c.pth is a checkpoint with the weights under 'state_dict'; save only those"):
        _built(_with_weights(tmp_path / "c.pth"))
    torch.save({"epoch": 3, "best": 0.5}, tmp_path / "e.pth")
    with pytest.raises(ValueError, match=r"e.pth must contain tensors by name \(a state dict\), got \['best', 'epoch'"):
        _built(_with_weights(tmp_path / "e.pth"))
    torch.save({"conv1.weight": _Payload()}, tmp_path / "d.pth")
    with pytest.raises(ValueError, match=r"d\.pth is neither"):
        _built(_with_weights(tmp_path / "d.pth"))


class _Payload:
    """What a hostile file would hold: an object of some class."""
