"""The ledger against the network really built, the file really saved, and work really counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.data import DataConfig
from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.registries import FORMS
from trainables.config.trial import TrialConfig
from trainables.networks.backbones import build_backbone
from trainables.networks.ledger import _counted, storage_ledger
from trainables.networks.multi_task import build_model
from trainables.networks.shape_counter import ShapeCounter

TASKS = ("a", "b", "c", "d")
STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
EACH = tuple((task,) for task in TASKS)
PAIRS = (("a", "c"), ("b", "d"))
GROUPINGS = [(EACH, (TASKS,)), (PAIRS, (TASKS,)), ((TASKS,), (TASKS,)), (EACH, PAIRS), (PAIRS, PAIRS), (EACH, EACH)]


def _config(
    points: tuple[str, ...], groups: Any = EACH, network_groups: Any = (TASKS,), **settings: Any
) -> TrialConfig:
    return TrialConfig(
        data=DataConfig(tasks=TASKS, image_size=48),
        network=NetworkConfig(width=0.125),
        modulation=ModulationConfig(points=points, groups=groups, **settings),
        network_groups=network_groups,
    )


def _released(points: tuple[str, ...], tasks: int = 7, **settings: Any) -> TrialConfig:
    names = tuple(f"task{index}" for index in range(tasks))
    network = NetworkConfig(width=settings.pop("width", 1.0))
    groups = {"network_groups": tuple((name,) for name in names)} if settings.pop("separate", False) else {}
    data = DataConfig(tasks=names, image_size=150)
    return TrialConfig(data=data, network=network, modulation=ModulationConfig(points=points), **groups)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("points", [(), ("fc",), ("res4", "res5", "fc"), ("res3",), ("conv1", "res5"), STAGES])
@pytest.mark.parametrize(("groups", "network_groups"), GROUPINGS)
def test_the_ledger_equals_the_built_network_and_the_saved_file(
    tmp_path: Path, points: tuple[str, ...], groups: Any, network_groups: Any, trainable: bool
) -> None:
    config = _config(points, groups, network_groups, initialization=InitializationConfig(trainable=trainable))
    ledger, model = storage_ledger(config), build_model(config).eval()
    bare = build_model(_config(()))
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    saved = load_file(tmp_path / "weights.safetensors")

    assert ledger.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert ledger.buffers == sum(buffer.numel() for buffer in model.buffers())
    assert ledger.base_parameters == sum(parameter.numel() for parameter in bare.parameters())
    assert ledger.added_parameters == ledger.parameters - ledger.base_parameters
    assert ledger.bytes_fp32 == sum(tensor.numel() * tensor.element_size() for tensor in saved.values())
    assert ledger.bytes_fp16 == sum(tensor.numel() * tensor.element_size() for tensor in _halved(saved))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.embed_tasks(torch.randn(1, 3, 48, 48))
    assert 2 * ledger.multiply_adds_per_image == counter.get_total_flops()


def _halved(saved: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    return [tensor.half() for tensor in saved.values()]


@pytest.mark.parametrize(
    ("points", "groups", "network_groups", "vectors"),
    [
        ((), EACH, (TASKS,), 1),
        (("fc",), EACH, (TASKS,), 1),
        (("res5",), EACH, (TASKS,), 4),
        (("res5", "fc"), PAIRS, (TASKS,), 2),
        (("res5",), (TASKS,), (TASKS,), 1),
        ((), EACH, EACH, 4),
        (("fc",), EACH, PAIRS, 2),
        (("res5",), EACH, PAIRS, 4),
    ],
)
def test_an_index_stores_one_vector_a_distinct_branch(
    points: tuple[str, ...], groups: Any, network_groups: Any, vectors: int
) -> None:
    config = _config(points, groups, network_groups, initialization=InitializationConfig(kind="normal", std=0.5))
    ledger = storage_ledger(config)
    assert ledger.embeddings_per_image == vectors
    total = ledger.rows("study", "id", "arm")[-1]
    assert total["index_bytes_per_image_fp32"] == vectors * 32 * 4
    assert total["index_bytes_per_image_fp16"] == vectors * 32 * 2
    if points != ("fc",):  # there the vectors of a network's tasks come from one stored vector
        embedded = build_model(config).eval().embed_tasks(torch.randn(1, 3, 48, 48))
        assert len(torch.unique(embedded.squeeze(1), dim=0)) == vectors


@pytest.mark.parametrize(
    ("points", "per_task"),
    [
        (("fc",), 256),
        (("res5", "fc"), 384),
        (("res4", "res5", "fc"), 512),
        (("res3", "res4", "res5", "fc"), 640),
        (STAGES[1:], 704),
        (STAGES, 736),
    ],
)
@pytest.mark.parametrize("tasks", [1, 7, 40])
def test_added_parameters_of_the_released_network(points: tuple[str, ...], per_task: int, tasks: int) -> None:
    ledger = storage_ledger(_released(points, tasks))
    assert ledger.base_parameters == 2_953_664
    assert ledger.added_parameters_per_task == per_task
    assert ledger.added_parameters == tasks * per_task
    assert ledger.parameters == 2_953_664 + tasks * per_task


def test_work_of_the_released_network() -> None:
    bare = storage_ledger(_released(()))
    work = {row["component"]: row["multiply_adds_per_image"] / 1e6 for row in bare.rows("", "", "")}
    assert work == pytest.approx(
        {
            "conv1": 18.9,
            "res2": 392.9 + 2 * 196.4,
            "res3": 371.7 + 2 * 180.6,
            "res4": 160.6 + 2 * 37.7,
            "res5": 28.9 + 2 * 7.2,
            "fc": 1.6,
            "total": 1818.7,
        },
        abs=0.15,
    )
    late = storage_ledger(_released(("res4", "res5", "fc")))
    tail = round(1e6 * (work["res5"] + work["fc"]))
    assert late.multiply_adds_per_image == bare.multiply_adds_per_image + 6 * tail
    assert storage_ledger(_released(("fc",))).multiply_adds_per_image == bare.multiply_adds_per_image


def test_separate_networks_add_all_networks_but_one() -> None:
    ledger = storage_ledger(_released((), separate=True))
    assert ledger.added_parameters == 6 * 2_953_664
    assert ledger.added_parameters_per_task == 2_953_664
    assert storage_ledger(_released((), tasks=1, separate=True)).added_parameters_per_task == 0


def test_a_group_shares_what_its_vectors_cost() -> None:
    assert storage_ledger(_config(("res5",), PAIRS)).added_parameters_per_task == 16 * 2 / 4


@pytest.mark.parametrize("points", [(), ("res4", "fc")])
@pytest.mark.parametrize(("groups", "network_groups"), GROUPINGS)
def test_the_rows_of_components_add_up_to_the_total(points: tuple[str, ...], groups: Any, network_groups: Any) -> None:
    *parts, total = storage_ledger(_config(points, groups, network_groups)).rows("study", "id", "arm")
    assert [(row["kind"], row["component"]) for row in parts] == [
        *(("stage", stage) for stage in STAGES),
        *(("modulation", point) for point in points),
    ]
    assert (total["kind"], total["component"]) == ("total", "total")
    assert {(row["study"], row["arm_id"], row["arm"]) for row in (*parts, total)} == {("study", "id", "arm")}
    figures = set(total) - {"study", "arm_id", "arm", "kind", "component"}
    assert {figure: sum(row[figure] for row in parts) for figure in figures} == {key: total[key] for key in figures}


def test_nothing_is_allocated_and_faults_are_refused() -> None:
    assert storage_ledger(_released(STAGES, width=300)).parameters > 10**11
    with pytest.raises(ValueError, match=r"modulation\.points: unknown 'res6'"):
        storage_ledger(_released(("res6",)))


@pytest.mark.parametrize("backbone", ["simplenet", "csn_resnet18"])
def test_networks_of_this_package_are_counted_from_shapes_alone(backbone: str) -> None:
    network = build_backbone(NetworkConfig(backbone=backbone), 64).eval()
    with FlopCounterMode(display=False) as expected, torch.no_grad():
        embedded = network(torch.randn(1, 3, 64, 64))
    network, images = network.to("meta"), torch.empty(1, 3, 64, 64, device="meta")
    with torch.no_grad(), ShapeCounter() as counter:
        found = network(images)
    assert counter.complete
    assert found.shape == embedded.shape
    assert 2 * counter.multiply_adds == expected.get_total_flops()


def test_a_network_of_the_users_may_spell_its_calls_in_any_way(tmp_path: Any) -> None:
    (tmp_path / "spelling_network.py").write_text("""
import torch.nn.functional as F
from torch import nn


class Spelling(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3), nn.Linear(6, 5)

    def forward(self, images):
        features = F.conv2d(images, weight=self.a.weight, bias=self.a.bias, padding="same")
        features = self.b(F.relu(features + self.a(images))).mean((2, 3), True)
        return F.linear(features.flatten(1), self.c.weight, bias=None)
""")
    network = NetworkConfig(backbone="spelling_network:Spelling", points=("a", "b"), folder=tmp_path)
    trial = TrialConfig(data=DataConfig(tasks=("x",), image_size=16), network=network)
    convolutions = 2 * 16 * 16 * 4 * 3 * 9 + 14 * 14 * 6 * 4 * 9
    assert storage_ledger(trial).multiply_adds_per_image == convolutions + 6 * 5


@pytest.mark.parametrize("call", [torch.matmul, torch.einsum])
def test_products_that_shapes_do_not_tell_are_left_to_torch(call: Any) -> None:
    matrix = torch.empty(4, 4, device="meta")
    with ShapeCounter() as counter:
        call(*(("ij,jk->ik",) if call is torch.einsum else ()), matrix, matrix)
    assert not counter.complete


@pytest.mark.parametrize("form", sorted(FORMS.built_in))
@pytest.mark.parametrize("kind", ["constant", "normal", "binary"])
def test_arms_that_differ_in_start_values_alone_are_counted_once(form: str, kind: Any) -> None:
    other = {"value": 0.3, "mean": 0.7, "std": 0.2, "low": 0.1, "high": 0.4, "off": 0.2, "keep": 0.25}
    starts = [InitializationConfig(kind=kind), InitializationConfig(kind=kind, **other)]
    first, second = (_config(("res5", "fc"), form=form, initialization=start, rate_factor=2.0) for start in starts)
    assert storage_ledger(second) is storage_ledger(first)
    assert storage_ledger(second) == _counted(second)


def test_a_network_of_another_kind_is_not_taken_for_a_known_one() -> None:
    known = _config(("res5",))
    others = [
        _config(("res5",), form="scale_shift"),
        _config(("res5",), form="low_rank", size=2),
        _config(("res5",), groups=PAIRS),
        _config(("res5",), EACH, EACH),
        _config(("res5",), initialization=InitializationConfig(trainable=False)),
        known.model_copy(update={"network": NetworkConfig(width=0.25)}),
        known.model_copy(update={"data": DataConfig(tasks=TASKS, image_size=64)}),
    ]
    assert storage_ledger(known) == _counted(known)
    assert [storage_ledger(config) for config in others] == [_counted(config) for config in others]
