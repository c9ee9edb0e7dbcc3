"""Forecasts of bytes and multiply-adds against networks and indexes really built, for any number of tasks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.data import DataConfig
from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.ledger import storage_ledger
from trainables.networks.multi_task import build_model
from trainables.networks.precision import PRECISIONS, encode_state, encode_vectors
from trainables.storage.built import forecast_of, network_bytes
from trainables.storage.forecast import MOST_TASKS, forecast
from trainables.storage.growth import with_tasks

TASKS = ("a", "b", "c", "d")
EACH = tuple((task,) for task in TASKS)
PAIRS = (("a", "b"), ("c", "d"))
LATE = ("res4", "res5", "fc")
BINARY = InitializationConfig(kind="binary", trainable=False)


def arm(points: tuple[str, ...] = LATE, network_groups: Any = (TASKS,), groups: Any = EACH, **form: Any) -> TrialConfig:
    return TrialConfig(
        data=DataConfig(tasks=sum(network_groups, ()), image_size=48),
        network=NetworkConfig(width=0.0625),
        modulation=ModulationConfig(points=points, groups=groups, **form),
        network_groups=network_groups,
    )


ARMS = {
    "shared": arm(()),
    "separate": arm((), EACH),
    "embedding": arm(("fc",)),
    "late": arm(),
    "pairs": arm(LATE, PAIRS, PAIRS),
    "one set": arm(LATE, (TASKS,), (TASKS,)),
    "threshold": arm(LATE, activation="threshold"),
    "binary": arm(LATE, initialization=BINARY),
    "masks": arm(LATE, form="weight_mask"),
    "routing": arm(LATE, form="task_routing"),
    "projection": arm(("fc",), form="projection"),
    "norms": arm(LATE, form="batch_norm"),
    "rank": arm(LATE, form="low_rank_convolution"),
}


@pytest.mark.parametrize("name", ARMS)
def test_forecast_bytes_are_those_of_the_tensors_that_are_stored(name: str) -> None:
    model = build_model(ARMS[name]).eval()
    found, ledger = forecast(ARMS[name]), storage_ledger(ARMS[name])
    assert (found.network_bytes["fp32"], found.network_bytes["fp16"]) == (ledger.bytes_fp32, ledger.bytes_fp16)
    for precision, forecast_bytes in found.network_bytes.items():
        stored = encode_state(model.stored_state(), precision, model.two_valued())
        assert sum(tensor.nbytes for tensor in stored.values()) == forecast_bytes
    assert ("1bit" in found.network_bytes) == (name in ("threshold", "binary", "masks", "routing"))
    vectors = model.index_vectors(torch.randn(3, 3, 48, 48))
    assert len(vectors) == found.vectors_per_image
    for precision in PRECISIONS:
        index = encode_vectors(vectors, precision)
        stored = sum(tensor.nbytes for tensor in index.values())
        assert stored == 3 * found.vectors_per_image * found.vector_bytes[precision]
    sizes = list(found.network_bytes.values())
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("name", ARMS)
def test_an_index_yields_the_embeddings_of_all_tasks(name: str) -> None:
    model, images = build_model(ARMS[name]).eval(), torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        assert torch.equal(model.from_index(model.index_vectors(images)), model.embed_tasks(images))


@pytest.mark.parametrize("name", ["late", "separate", "embedding", "projection"])
def test_multiply_adds_of_a_query_are_those_of_one_task(name: str) -> None:
    model, found = build_model(ARMS[name]).eval(), forecast(ARMS[name])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.embed_tasks(torch.randn(1, 3, 48, 48), ("b",))
    assert 2 * found.query_multiply_adds == counter.get_total_flops()
    size = model.embedding_size
    assert found.search_multiply_adds == (size + size**2 if name == "projection" else size)


@pytest.mark.parametrize(
    ("name", "tasks", "networks", "groups"),
    [
        ("shared", 40, 1, 1),
        ("late", 40, 1, 40),
        ("separate", 40, 40, 1),
        ("pairs", 40, 20, 1),
        ("one set", 40, 1, 1),
        ("pairs", 6, 3, 1),
        ("late", 1, 1, 1),
        ("late", 4, 1, 4),
    ],
)
def test_groups_keep_their_size_as_tasks_come(name: str, tasks: int, networks: int, groups: int) -> None:
    scaled = with_tasks(ARMS[name], tasks)
    model = build_model(scaled)
    assert (len(model.tasks), len(model.members), model.members[0].branches) == (tasks, networks, groups)
    assert forecast(ARMS[name], tasks).network_bytes == network_bytes(model)
    assert scaled is ARMS[name] or tasks != len(TASKS)


def test_a_linear_forecast_for_more_tasks_agrees_with_the_ledger() -> None:
    for name in ("late", "separate", "masks"):
        ledger, more = storage_ledger(ARMS[name]), forecast(ARMS[name], 40)
        assert more.added_parameters == ledger.added_parameters + 36 * ledger.added_parameters_per_task


SIX = tuple("abcdef")
TRIPLES = (SIX[:3], SIX[3:])
UNEVEN = arm(LATE, TRIPLES, (("a", "b"), ("c",), ("d",), ("e", "f")))


@pytest.mark.parametrize(
    ("config", "tasks"),
    [
        *((config, 67) for name, config in ARMS.items() if name != "separate"),
        (ARMS["masks"], 131),
        (UNEVEN, 67),
        pytest.param(arm(("fc",), EACH, EACH, form="weight_mask"), 67, marks=pytest.mark.long),
        (arm(("fc",), form="own"), 99),
    ],
)
def test_figures_of_more_tasks_than_are_built_are_those_of_the_network_built(config: TrialConfig, tasks: int) -> None:
    assert forecast(config, tasks) == forecast_of(with_tasks(config, tasks))


def test_a_billion_tasks_are_forecast() -> None:
    late, separate = (forecast(ARMS[name], MOST_TASKS) for name in ("late", "separate"))
    ledger = storage_ledger(ARMS["late"])
    assert late.added_parameters == MOST_TASKS * ledger.added_parameters_per_task
    assert late.vectors_per_image == separate.vectors_per_image == MOST_TASKS
    assert separate.added_parameters == (MOST_TASKS - 1) * separate.shared_parameters
    with pytest.raises(ValueError, match="tasks must be at most 1,000,000,000, got 1000000001"):
        forecast(ARMS["late"], MOST_TASKS + 1)


def test_an_arm_that_does_not_exist_for_so_many_tasks_is_refused() -> None:
    disjoint = arm(("fc",), initialization=InitializationConfig(kind="disjoint", trainable=False))
    with pytest.raises(ValueError, match="disjoint blocks need a channel for every group, got 40 groups"):
        forecast(disjoint, 40)
    with pytest.raises(ValueError, match="got 100000 groups for 16 channels"):
        forecast(disjoint, 100_000)
    with pytest.raises(ValueError, match="tasks must be at least 1, got 0"):
        forecast(disjoint, 0)
