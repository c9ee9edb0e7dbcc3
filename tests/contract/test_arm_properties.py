"""What holds for every arm, tried on random placements, partitions and forms of the smallest networks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from trainables.config.data import DataConfig
from trainables.config.modulation import InitializationConfig, ModulationConfig, Partition
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.ledger import storage_ledger
from trainables.networks.modulation import FORMS
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.training.records import TrialRecords
from trainables.training.weights import save_weights

TASKS = ("a", "b", "c", "d")
STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
EACH: Partition = tuple((task,) for task in TASKS)
CHANGES_FROM_THE_START = {"squeeze_excite", "task_routing"}
START_AS_NOTHING = sorted(set(FORMS) - CHANGES_FROM_THE_START)
NEEDS_CONVOLUTIONS = {"parallel_adapter", "low_rank_convolution", "filter_mixing"}
BITS = {"task_routing", "weight_mask"}

few = settings(max_examples=3, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@st.composite
def partitions(draw: st.DrawFn, tasks: tuple[str, ...] = TASKS) -> Partition:
    """Draw a partition; its groups and their members come in any order."""
    order = draw(st.permutations(tasks))
    labels = [draw(st.integers(0, len(tasks) - 1)) for _ in order]
    groups = {label: tuple(task for task, own in zip(order, labels, strict=True) if own == label) for label in labels}
    return tuple(groups.values())


@st.composite
def arms(draw: st.DrawFn) -> tuple[tuple[str, ...], Partition, Partition]:
    """Draw points, the tasks of every network, and inside these the tasks of every modulation group."""
    points = tuple(stage for stage in STAGES if draw(st.booleans())) or ("res5",)
    networks = draw(partitions())
    groups = tuple(group for network in networks for group in draw(partitions(network)))
    return points, networks, groups


def configured(points: tuple[str, ...], networks: Partition, groups: Partition, **modulation: Any) -> TrialConfig:
    tasks = modulation.pop("tasks", TASKS)
    return TrialConfig(
        data=DataConfig(tasks=tasks, image_size=48),
        network=NetworkConfig(width=0.0625),
        modulation=ModulationConfig(points=points, groups=groups, **modulation),
        network_groups=networks,
    )


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 48, 48, generator=torch.Generator().manual_seed(count), dtype=torch.float64)


def shaken(model: MultiTaskModel) -> MultiTaskModel:
    """Move the modulation away from its start."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for network in model.members:
            for parameter in network.modulations.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return model


def bytes_of_the_tensors(path: Path) -> int:
    """What the file holds behind its header, whose length is its first eight bytes (the safetensors format)."""
    content = path.read_bytes()
    return len(content) - 8 - int.from_bytes(content[:8], "little")


@pytest.mark.parametrize("form", sorted(FORMS))
@few
@given(arm=arms(), trainable=st.booleans())
def test_the_ledger_is_the_network_that_is_built_and_the_file_that_is_saved(
    form: str, arm: Any, trainable: bool, tmp_path: Path
) -> None:
    points, networks, groups = arm
    assume(not (form in NEEDS_CONVOLUTIONS and points == ("fc",)))
    config = configured(points, networks, groups, form=form, initialization=InitializationConfig(trainable=trainable))
    model, ledger = shaken(build_model(config)), storage_ledger(config)
    path = tmp_path / "weights.safetensors"
    save_weights(path, model, config, "trial", TrialRecords())
    with safe_open(path, framework="pt") as file:
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    stored = model.stored_state()
    assert saved.keys() == stored.keys()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in saved.items())
    assert ledger.bytes_fp32 == bytes_of_the_tensors(path)
    packed = sum(tensor.numel() for tensor in saved.values() if tensor.dtype == torch.uint8)
    numbers = sum(tensor.numel() for tensor in saved.values() if tensor.dtype == torch.float32)
    assert ledger.bytes_fp32 == 4 * numbers + packed
    assert ledger.bytes_fp16 == 2 * numbers + packed
    assert (packed > 0) == (form in BITS)

    bare = sum(parameter.numel() for parameter in build_model(configured((), (TASKS,), EACH)).parameters())
    assert ledger.base_parameters == bare
    if form not in BITS:
        assert ledger.parameters == sum(parameter.numel() for parameter in model.parameters())
        assert ledger.buffers == sum(buffer.numel() for buffer in model.buffers())
    else:
        backbones = len(networks) * bare
        assert ledger.total.mask_bits == sum(
            tensor.numel() for tensor in (*model.parameters(), *model.buffers())
        ) - backbones - sum(tensor.numel() for tensor in backbone_buffers(model))
        assert math.ceil(ledger.total.mask_bits / 32) <= ledger.parameters - backbones


def backbone_buffers(model: MultiTaskModel) -> list[torch.Tensor]:
    return [buffer for network in model.members for buffer in network.backbone.buffers()]


@pytest.mark.parametrize("form", START_AS_NOTHING)
@few
@given(arm=arms(), training=st.booleans())
@example(arm=(("res4", "res5", "fc"), (TASKS,), (TASKS,)), training=True)
def test_an_arm_starts_as_its_networks_without_modulation(form: str, arm: Any, training: bool) -> None:
    """All tasks together at the level of modulation, as one example: the shared network's embeddings."""
    points, networks, groups = arm
    assume(not (form in NEEDS_CONVOLUTIONS and points == ("fc",)))
    bare = build_model(configured((), networks, EACH)).double().train(training)
    arm_itself = build_model(configured(points, networks, groups, form=form)).double().train(training)
    expected = bare.embed_tasks(images())
    torch.testing.assert_close(arm_itself.embed_tasks(images()), expected)
    for group in networks:  # tasks of a network get the same embedding, those of others another
        first, *others = (expected[TASKS.index(task)] for task in group)
        assert all(torch.equal(first, other) for other in others)


@few
@given(arm=arms())
def test_together_with_ones_is_the_shared_network_to_the_last_bit(arm: Any) -> None:
    points, *_ = arm
    shared = build_model(configured((), (TASKS,), EACH))
    together = build_model(configured(points, (TASKS,), (TASKS,)))
    batch = images().float()
    for _ in range(2):  # the second step sees what the first made of the running statistics
        assert torch.equal(together.embed_tasks(batch), shared.embed_tasks(batch))
    assert torch.equal(together.eval().embed_tasks(batch), shared.eval().embed_tasks(batch))


KINDS = ["ones", "normal", "uniform", "disjoint", "binary"]


@pytest.mark.parametrize("form", sorted(FORMS))
@few
@given(arm=arms(), order=st.permutations(TASKS), kind=st.sampled_from(KINDS), training=st.booleans())
def test_the_order_of_tasks_permutes_embeddings_and_changes_nothing_else(
    form: str, arm: Any, order: Any, kind: str, training: bool
) -> None:
    """Networks and vectors belong to groups, by their place among the groups; the order of tasks has no part in it.

    So with groups as they were, every task has its embeddings under any start, also random ones.
    """
    points, networks, groups = arm
    assume(not (form in NEEDS_CONVOLUTIONS and points == ("fc",)))
    start = InitializationConfig(kind=kind)  # type: ignore[arg-type]
    config = configured(points, networks, groups, form=form, initialization=start)
    permuted = configured(points, networks, groups, form=form, initialization=start, tasks=tuple(order))
    first, second = (build_model(each).double().train(training) for each in (config, permuted))
    other = second.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in first.state_dict().items())
    expected = first.embed_tasks(images())[[TASKS.index(task) for task in order]]
    torch.testing.assert_close(second.embed_tasks(images()), expected, rtol=1e-9, atol=1e-9)
    assert storage_ledger(config) == storage_ledger(permuted)


@pytest.mark.parametrize("kind", KINDS)
def test_which_starts_follow_the_order_of_groups(kind: str) -> None:
    """Where every task is its own group, groups come in the order of the tasks.

    Vectors are drawn for the groups in turn, and disjoint blocks are dealt out in turn; so these two follow the order
    of the tasks, while ones do not. The backbone has a stream of its own and never does.
    """
    start = InitializationConfig(kind=kind)  # type: ignore[arg-type]
    turned = TASKS[::-1]
    first, second = (
        build_model(configured(("fc",), (tasks,), tuple((task,) for task in tasks), initialization=start, tasks=tasks))
        for tasks in (TASKS, turned)
    )
    name = "networks.0.modulations.fc.vectors"
    started, other = first.state_dict(), second.state_dict()
    assert all(torch.equal(tensor, other[key]) for key, tensor in started.items())  # row by row, whoever owns the row
    own, same = (model.eval().embed_tasks(images().float(), ["a"]) for model in (first, second))
    assert torch.equal(own, same) == (kind == "ones")
    assert (started[name][0] == started[name][-1]).all() == (kind == "ones")
