"""The retrieval network: modulation is added and never woven in, the trunk runs once, arms start alike."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from trainables.config.data import DataConfig
from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.multi_task import MultiTaskModel, build_model, normalize

TASKS = ("a", "b", "c", "d")
STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
SEPARATE = tuple((task,) for task in TASKS)
PLACEMENTS = [("fc",), ("res4", "res5", "fc"), ("res3",), ("conv1", "fc"), STAGES]
NORMAL = InitializationConfig(kind="normal", mean=1, std=0.5)


def _config(points: tuple[str, ...] = (), **settings: Any) -> TrialConfig:
    top = {key: settings.pop(key) for key in ("network_groups", "train_seed") if key in settings}
    return TrialConfig(
        data=DataConfig(tasks=TASKS, image_size=48),
        network=NetworkConfig(width=0.125),
        modulation=ModulationConfig(points=points, **settings),
        **top,
    )


def _model(points: tuple[str, ...] = (), **settings: Any) -> MultiTaskModel:
    return build_model(_config(points, **settings))


def _images(count: int = 5, seed: int = 0) -> torch.Tensor:
    images = torch.randn(count, 3, 48, 48, generator=torch.Generator().manual_seed(seed))
    return images.contiguous(memory_format=torch.channels_last)


def _all_pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return image and task indices of every task's pass over ``count`` images."""
    return torch.arange(count).repeat(len(TASKS)), torch.arange(len(TASKS)).repeat_interleave(count)


@pytest.mark.parametrize("points", PLACEMENTS)
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_with_ones_the_network_is_the_bare_backbone_bit_for_bit(points: tuple[str, ...], activation: str) -> None:
    images, task_index = _images(), torch.tensor([0, 3, 2, 1, 1])
    bare, modulated = _model(), _model(points, activation=activation)
    backbone = bare.members[0].backbone
    expected = normalize(backbone(images))  # one training step of the running statistics
    bare.embed_mixed(images, task_index)
    bare.embed_mixed(images, task_index)
    assert torch.equal(modulated.embed_mixed(images, task_index), expected)
    modulated.embed_mixed(images, task_index)
    modulated.embed_mixed(images, task_index)
    bare.eval(), modulated.eval()
    expected = normalize(backbone(images))
    for model in (bare, modulated):
        assert torch.equal(model.embed_mixed(images, task_index), expected)
        assert torch.equal(model.embed_tasks(images), expected.expand(len(TASKS), -1, -1))


@pytest.mark.parametrize("points", PLACEMENTS)
def test_with_ones_training_embeds_every_task_as_the_bare_backbone(points: tuple[str, ...]) -> None:
    images = _images().double()  # batch norm over a few values magnifies the rounding of fp32
    expected = _model().double().embed_tasks(images)
    torch.testing.assert_close(_model(points).double().embed_tasks(images), expected)
    images, expected = images.float(), _model().embed_tasks(images.float())
    assert torch.equal(_model(points, groups=(TASKS,)).embed_tasks(images), expected)  # one branch: the same sums


@pytest.mark.parametrize("points", PLACEMENTS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("groups", [SEPARATE, (("a", "c"), ("d", "b")), (TASKS,)])
def test_embed_tasks_equals_a_full_pass_of_every_task(points: tuple[str, ...], training: bool, groups: Any) -> None:
    images = _images().double()
    fast, slow = (_model(points, initialization=NORMAL, groups=groups).double().train(training) for _ in range(2))
    image_index, task_index = _all_pairs(len(images))
    expected = slow.embed_mixed(images[image_index], task_index).unflatten(0, (len(TASKS), len(images)))
    torch.testing.assert_close(fast.embed_tasks(images), expected)


@pytest.mark.parametrize("activation", ["relu", "none"])
@pytest.mark.parametrize("mixed", [True, False])
def test_one_tasks_loss_gives_no_gradient_to_anothers_vectors(activation: str, mixed: bool) -> None:
    model = _model(STAGES, activation=activation, initialization=NORMAL).eval()
    images = _images()
    for task, name in enumerate(TASKS):
        model.zero_grad()
        if mixed:
            image_index, task_index = _all_pairs(len(images))
            embedded = model.embed_mixed(images[image_index], task_index)[task_index == task]
        else:
            embedded = model.embed_tasks(images)[task]
        (embedded * torch.randn_like(embedded)).sum().backward()
        for point, modulation in model.members[0].points().items():
            gradient = modulation.get_parameter("vectors").grad
            assert gradient is not None
            others = [row for row in range(len(TASKS)) if row != task]
            assert (gradient[others] == 0).all(), (name, point)
            assert (gradient[task] != 0).any(), (name, point)


@pytest.mark.parametrize(
    ("points", "groups", "once", "branches"),
    [
        ((), SEPARATE, 6, 1),
        (("fc",), SEPARATE, 6, 4),
        (("res4", "fc"), SEPARATE, 4, 4),
        (("res4", "fc"), (("a", "d"), ("b", "c")), 4, 2),
        (STAGES, SEPARATE, 1, 4),
    ],
)
def test_the_trunk_runs_once_and_each_distinct_branch_once(
    points: tuple[str, ...], groups: Any, once: int, branches: int
) -> None:
    model, seen = _model(points, groups=groups), []
    for stage in model.members[0].backbone.stages.values():
        stage.register_forward_hook(lambda _module, _inputs, output: seen.append(len(output)))
    model.embed_tasks(_images(3))
    assert seen == [3] * once + [3 * branches] * (6 - once)
    seen.clear()
    model.eval().embed_tasks(_images(3))
    assert seen == [3] * (once + branches * (6 - once))
    seen.clear()
    model.embed_tasks(_images(3), ["b"])
    assert seen == [3] * 6


def test_tasks_of_a_group_share_a_branch_and_others_differ() -> None:
    model = _model(("res4", "fc"), initialization=NORMAL, groups=(("a", "c"), ("b",), ("d",))).eval()
    a, b, c, d = model.embed_tasks(_images())
    assert torch.equal(a, c)
    assert not torch.equal(a, b)
    assert not torch.equal(b, d)


@pytest.mark.parametrize("network_groups", [(TASKS,), (("d", "a"), ("b", "c")), SEPARATE])
def test_tasks_come_in_the_order_asked_for_and_mixed_batches_agree(network_groups: Any) -> None:
    model = _model(("res5",), initialization=NORMAL, network_groups=network_groups).eval()
    images, task_index = _images(), torch.tensor([3, 0, 0, 2, 3])  # no image for b: a network may have none
    embedded = model.embed_tasks(images)
    assert embedded.shape == (4, 5, model.embedding_size)
    assert torch.equal(model.embed_tasks(images, ["d", "b", "d"]), embedded[[3, 1, 3]])
    expected = torch.stack([embedded[task, image] for image, task in enumerate(task_index)])
    torch.testing.assert_close(model.embed_mixed(images, task_index), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="task: unknown 'e'; known: a, b, c, d"):
        model.embed_tasks(images, ["e"])


def test_embeddings_are_unit_vectors_and_a_dead_one_stays_zero() -> None:
    model = _model(("fc",))
    torch.testing.assert_close(model.embed_tasks(_images()).norm(dim=-1), torch.ones(4, 5))
    dead = _model(("fc",), initialization=InitializationConfig(kind="constant", value=-1))
    embedded = dead.embed_tasks(_images())
    assert (embedded == 0).all()
    embedded.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in dead.parameters() if parameter.grad is not None)
    assert dead.dead_channels() == {"fc": 4 * 32}


def test_all_arms_of_a_seed_start_from_the_same_backbone() -> None:
    reference = _model().members[0].backbone.state_dict()
    arms = [
        _model(("res4", "fc"), initialization=NORMAL),
        _model(STAGES, initialization=InitializationConfig(kind="uniform")),
        _model(network_groups=SEPARATE),
        build_model(_config(("fc",), initialization=NORMAL, network_groups=(("b", "d"), ("a", "c")))),
    ]
    for arm in arms:
        started = arm.members[0].backbone.state_dict()
        assert all(torch.equal(started[key], value) for key, value in reference.items())
    weights = [member.backbone.get_parameter("stages.fc.1.weight") for member in arms[2].members]
    assert all(not torch.equal(weights[0], other) for other in weights[1:])
    assert not torch.equal(weights[0], _model(train_seed=1).members[0].backbone.get_parameter("stages.fc.1.weight"))


def test_a_point_starts_alike_whatever_other_points_are_modulated() -> None:
    late, everywhere = _model(("res4", "fc"), initialization=NORMAL), _model(STAGES, initialization=NORMAL)
    for point, modulation in late.members[0].points().items():
        other = everywhere.members[0].points()[point]
        assert torch.equal(modulation.get_parameter("vectors"), other.get_parameter("vectors"))


def test_a_model_is_its_seeds_alone_and_leaves_the_global_stream_alone() -> None:
    config = _config(("fc",), initialization=NORMAL)
    state = torch.random.get_rng_state()
    first, again = build_model(config).state_dict(), build_model(config).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    drawn = [build_model(config, torch.Generator().manual_seed(seed)).state_dict() for seed in (5, 5, 6)]
    weights = [state["networks.0.modulations.fc.vectors"] for state in drawn]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_groups_inside_a_network_are_those_of_its_tasks() -> None:
    model = _model(
        ("fc",),
        initialization=InitializationConfig(kind="disjoint"),
        network_groups=(("a", "b", "c"), ("d",)),
        groups=(("a",), ("b", "c"), ("d",)),
    )
    vectors = [member.points()["fc"].get_parameter("vectors") for member in model.members]
    assert vectors[0].tolist() == [[1.0] * 16 + [0.0] * 16, [0.0] * 16 + [1.0] * 16]
    assert vectors[1].tolist() == [[1.0] * 32]


def test_stage_parameters_are_the_shared_ones() -> None:
    model = _model(STAGES, network_groups=(("a", "b"), ("c", "d")))
    by_stage = model.stage_parameters()
    assert tuple(by_stage) == model.modulation_points == STAGES
    found = {id(parameter) for parameters in by_stage.values() for parameter in parameters}
    expected = {id(parameter) for name, parameter in model.named_parameters() if "modulations" not in name}
    assert found == expected


def test_autocast_computes_in_bf16_and_normalises_in_fp32() -> None:
    model, exact = (_model(("res4", "fc"), initialization=NORMAL).eval() for _ in range(2))
    images, dtypes = _images(), []
    model.members[0].backbone.stages["res5"].register_forward_hook(
        lambda _module, _inputs, output: dtypes.append(output.dtype)
    )
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = model.embed_tasks(images)
    assert set(dtypes) == {torch.bfloat16}
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough.norm(dim=-1), torch.ones(4, 5))
    assert ((rough * exact.embed_tasks(images)).sum(-1) > 0.999).all()


def test_channels_last_is_kept_through_the_branches() -> None:
    model, layouts = _model(("res3", "fc")).to(memory_format=torch.channels_last), []
    for name in ("res4", "res5"):
        model.members[0].backbone.stages[name].register_forward_pre_hook(
            lambda _module, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
        )
    model.embed_tasks(_images())
    model.eval().embed_tasks(_images())
    assert all(layouts)
    assert len(layouts) == 2 + 2 * len(TASKS)


def test_faulty_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"modulation.points: unknown 'res44'; did you mean 'res4'\?"):
        _model(("res44",))
    with pytest.raises(ValueError, match=r"modulation.points must be distinct, got \['fc', 'fc'\]"):
        _model(("fc", "fc"))
    disjoint = _config(("conv1",), initialization=InitializationConfig(kind="disjoint"))
    narrow = disjoint.model_copy(update={"network": NetworkConfig(width=0.05)})
    with pytest.raises(ValueError, match="disjoint blocks need a channel for every group"):
        build_model(narrow)
