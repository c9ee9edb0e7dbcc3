"""Modulation on networks of the user: added and never woven in, counted to the byte, trained and saved as any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.insertion import insert_modulation
from trainables.networks.ledger import storage_ledger
from trainables.networks.multi_task import MultiTaskModel, build_model, normalize
from trainables.run import run_trial

FOLDER = Path(__file__).parents[1] / "networks"
TASKS = ("Smiling", "Hat", "Glasses")
STAGES = ("encoder.stages.0", "encoder.stages.1", "encoder.stages.2")
POINTS = {
    "resnet": ("embedder", *STAGES),
    "convnext": ("embeddings", *STAGES),
    "mobilenet": ("conv_stem", "layer.3", "conv_1x1"),
    "regnet": ("embedder", *STAGES),
    "Skip": ("a", "b", "c"),
}
RANDOM_IN_TRAINING = "Dropping"
STAGED = ("resnet", "mobilenet", "regnet")
NORMAL = {"kind": "normal", "mean": 1, "std": 0.5}
EACH = tuple((task,) for task in TASKS)


def _config(name: str, points: tuple[str, ...] = (), **settings: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {
                "source": {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12},
                "tasks": TASKS,
                "image_size": 32,
            },
            "network": NetworkConfig(
                backbone=f"sample_networks:{name}", points=POINTS.get(name, ("a", "b", "c")), folder=FOLDER
            ),
            "modulation": {"points": points, "initialization": settings.pop("initialization", {})},
            "batches": {"batch_size": 12},
            "optimization": {"epochs": 2, "steps_per_epoch": 2},
            "evaluation": {"triplets_per_task": 20, "splits": ("validation",)},
            "compute": {"device": "cpu"},
            **settings,
        }
    )


def _model(name: str, points: tuple[str, ...] = (), **settings: Any) -> MultiTaskModel:
    return build_model(_config(name, points, **settings))


def _images(count: int = 4) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def _placements(name: str) -> list[tuple[str, ...]]:
    return [("embedding",), (POINTS[name][-1],), (POINTS[name][1], "embedding"), (*POINTS[name], "embedding")]


PLACEMENTS = [(name, points) for name in POINTS for points in _placements(name)]


@pytest.mark.parametrize(("name", "points"), PLACEMENTS)
def test_with_ones_the_network_is_the_bare_one_bit_for_bit(name: str, points: tuple[str, ...]) -> None:
    images, task_index = _images(), torch.tensor([0, 2, 1, 1])
    bare, modulated = _model(name), _model(name, points)
    expected = normalize(bare.members[0].backbone(images))
    assert torch.equal(modulated.embed_mixed(images, task_index), expected)
    bare.eval(), modulated.eval()
    expected = normalize(bare.members[0].backbone(images))
    assert torch.equal(modulated.embed_mixed(images, task_index), expected)
    assert torch.equal(modulated.embed_tasks(images), expected.expand(len(TASKS), -1, -1))


@pytest.mark.parametrize(("name", "points"), PLACEMENTS)
@pytest.mark.parametrize("training", [True, False])
def test_embed_tasks_equals_a_full_pass_of_every_task(name: str, points: tuple[str, ...], training: bool) -> None:
    images = _images().double()
    fast, slow = (_model(name, points, initialization=NORMAL).double().train(training) for _ in range(2))
    image_index = torch.arange(len(images)).repeat(len(TASKS))
    task_index = torch.arange(len(TASKS)).repeat_interleave(len(images))
    expected = slow.embed_mixed(images[image_index], task_index).unflatten(0, (len(TASKS), len(images)))
    torch.testing.assert_close(fast.embed_tasks(images), expected)


@pytest.mark.parametrize("name", POINTS)
def test_one_tasks_loss_gives_no_gradient_to_anothers_vectors(name: str) -> None:
    model = _model(name, (*POINTS[name], "embedding"), initialization=NORMAL)
    images = _images(8)
    model.embed_tasks(images)  # fills running statistics
    model.eval()
    (model.embed_tasks(images)[1] * torch.arange(8.0)[:, None]).sum().backward()
    for modulation in model.members[0].points().values():
        gradient = modulation.get_parameter("vectors").grad
        assert gradient is not None
        assert (gradient[[0, 2]] == 0).all()


@pytest.mark.parametrize("name", ["resnet", "convnext"])
def test_a_chain_shares_its_beginning_and_another_network_its_whole_or_nothing(name: str) -> None:
    def sizes(points: tuple[str, ...], point: str) -> list[int]:
        model, seen = _model(name, points), []
        network = model.members[0].backbone.get_submodule("network").get_submodule(point)
        network.register_forward_hook(lambda _module, _inputs, output: seen.append(len(output)))
        model.embed_tasks(_images(4))
        model.eval().embed_tasks(_images(4))
        return seen

    stem, last = POINTS[name][0], POINTS[name][-1]
    assert sizes(("embedding",), last) == [4, 4]
    assert sizes((last,), stem) == ([4, 4] if name in STAGED else [12, 4, 4, 4])
    assert sizes((stem,), last) == [12, 4, 4, 4]


@pytest.mark.parametrize(("name", "points"), [(name, points) for name, points in PLACEMENTS if len(points) != 1])
@pytest.mark.parametrize("network_groups", [(TASKS,), EACH])
def test_the_ledger_equals_the_built_network_and_the_saved_file(
    tmp_path: Path, name: str, points: tuple[str, ...], network_groups: Any
) -> None:
    from trainables.training.records import TrialRecords
    from trainables.training.weights import save_weights

    config = _config(name, points, network_groups=network_groups)
    ledger, model = storage_ledger(config), build_model(config).eval()
    save_weights(tmp_path / "weights.safetensors", model, config, "id", TrialRecords())
    saved = load_file(tmp_path / "weights.safetensors")
    assert ledger.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert ledger.buffers == sum(buffer.numel() for buffer in model.buffers() if buffer.is_floating_point())
    assert ledger.bytes_fp32 == sum(tensor.nbytes for tensor in saved.values())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.embed_tasks(torch.randn(1, 3, 32, 32))
    assert 2 * ledger.multiply_adds_per_image == counter.get_total_flops()
    *parts, total = ledger.rows("study", "id", "arm")
    figures = set(total) - {"study", "arm_id", "arm", "kind", "component"}
    assert {figure: sum(row[figure] for row in parts) for figure in figures} == {key: total[key] for key in figures}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in ("convnext", "mobilenet", "regnet") else ())
        for name in (*POINTS, RANDOM_IN_TRAINING)
    ],
)
def test_a_trial_trains_and_is_the_same_again_however_it_was_interrupted(name: str, tmp_path: Path) -> None:
    points = POINTS.get(name, ("a", "b", "c"))
    config = _config(name, (points[1], "embedding"), agreement={"every_epochs": 1, "images": 6})
    state = torch.random.get_rng_state()
    whole = run_trial(config, report=print, workspace=tmp_path / "a", cache=tmp_path / "cache")
    run_trial(config, report=print, workspace=tmp_path / "b", cache=tmp_path / "cache", until_epoch=1)
    resumed = run_trial(config, report=print, workspace=tmp_path / "b", cache=tmp_path / "cache")
    assert torch.equal(state, torch.random.get_rng_state())
    assert whole.finished
    assert whole.task_metrics == resumed.task_metrics
    first, second = (load_file(str(outcome.weights_file)) for outcome in (whole, resumed))
    assert all(torch.equal(first[key], second[key]) for key in first)
    start = build_model(config).state_dict()
    moved = {key for key in first if not torch.equal(first[key], start[key])}
    assert any("modulations" in key for key in moved)
    assert any(".network." in key and key.endswith("weight") for key in moved)
    assert storage_ledger(config).bytes_fp32 == sum(tensor.nbytes for tensor in first.values())


def test_a_network_of_ones_own_in_a_notebook() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.AdaptiveAvgPool2d(1))
    state, training = torch.random.get_rng_state(), network.eval().training
    modulated = insert_modulation(network, ["0", "2"], ["type", "colour"], image_size=16)
    assert torch.equal(state, torch.random.get_rng_state())
    assert network.training is training
    assert modulated.backbone.staged
    assert list(modulated.points()) == ["0", "2"]
    images = torch.randn(5, 3, 16, 16)
    expected = normalize(network(images).flatten(1))
    assert torch.equal(modulated.eval().embed_tasks(images), expected.expand(2, -1, -1))
    assert modulated.backbone.get_submodule("network") is network
    drawn = ModulationConfig(points=("2",), initialization=InitializationConfig(kind="normal", std=0.5))
    first, again, other = (
        insert_modulation(network, ["0", "2"], ["type", "colour"], 16, modulation=drawn, seed=seed)
        for seed in (1, 1, 2)
    )
    assert list(first.points()) == ["2"]
    embedded = first.eval().embed_tasks(images)
    assert torch.equal(embedded, again.eval().embed_tasks(images))
    assert not torch.allclose(embedded, other.eval().embed_tasks(images))
    assert not torch.allclose(embedded[0], embedded[1])


def test_points_that_are_none_are_refused() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3))
    with pytest.raises(ValueError, match=r"network\.points: the network has no module '1'; known: 0"):
        insert_modulation(network, ["1"], ["a"], 16)
    with pytest.raises(ValueError, match=r"modulation\.points: unknown 'embeding'; did you mean 'embedding'"):
        insert_modulation(network, ["0"], ["a"], 16, modulation=ModulationConfig(points=("embeding",)))
