"""Forms that act inside a stage: right outputs against layers written out, right counts, right files."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.data import DataConfig
from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.components import StorageLedger
from trainables.networks.ledger import storage_ledger
from trainables.networks.modulation import FORMS
from trainables.networks.multi_task import MultiTaskModel, build_model

STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
CONVOLUTIONS, LATE = STAGES[:5], STAGES[3:]
TASKS = ("a", "b", "c")
INSIDE = sorted(set(FORMS) - {"scale", "scale_shift", "low_rank", "projection", "squeeze_excite"})
START_AS_NOTHING = sorted(set(FORMS) - {"squeeze_excite", "task_routing"})


def _config(form: str, points: tuple[str, ...], tasks: tuple[str, ...] = TASKS, **settings: Any) -> TrialConfig:
    network = NetworkConfig(width=settings.pop("width", 0.125))
    data = DataConfig(tasks=tasks, image_size=settings.pop("image_size", 48))
    top = {key: settings.pop(key) for key in ("network_groups",) if key in settings}
    modulation = ModulationConfig(points=points, form=form, **settings)
    return TrialConfig(data=data, network=network, modulation=modulation, **top)


def _images(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 48, 48, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=torch.channels_last
    )


def _shaken(config: TrialConfig) -> MultiTaskModel:
    """Return the model after its modulation has been moved away from its start."""
    model = build_model(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for network in model.members:
            for parameter in network.modulations.parameters():
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize("form", START_AS_NOTHING)
@pytest.mark.parametrize("points", [STAGES, LATE, ("res3",)])
def test_forms_start_as_the_bare_backbone(form: str, points: tuple[str, ...]) -> None:
    images = _images().double()  # batch norm over a few values magnifies the rounding of fp32
    bare, modulated = build_model(_config("scale", ())).double(), build_model(_config(form, points)).double()
    torch.testing.assert_close(modulated.embed_tasks(images), bare.embed_tasks(images))


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("training", [True, False])
def test_all_tasks_and_mixed_batches_agree(form: str, training: bool) -> None:
    together, mixed = (_shaken(_config(form, LATE)).double().train(training) for _ in range(2))
    images = _images().double()
    rows, tasks = torch.arange(4).repeat(3), torch.arange(3).repeat_interleave(4)
    order = torch.arange(12) if training else torch.randperm(12, generator=torch.Generator().manual_seed(2))
    embedded = together.embed_tasks(images)[tasks[order], rows[order]]
    torch.testing.assert_close(mixed.embed_mixed(images[rows[order]], tasks[order]), embedded)


@pytest.mark.parametrize("form", INSIDE)
def test_a_group_computes_what_its_own_layers_written_out_would(form: str) -> None:
    model = _shaken(_config(form, ("conv1",))).eval()
    network = model.members[0]
    modulation, (convolution, norm, _) = network.points()["conv1"], network.backbone.stages["conv1"]
    own = dict(modulation.named_parameters()) | dict(modulation.named_buffers())
    images = _images()
    for group in range(3):
        weight, bias = convolution.weight, norm.bias
        mean, variance = norm.running_mean, norm.running_var
        scale: Any = 1.0
        match form:
            case "own" if group:
                weight, bias = (
                    own[f"adapters.stages-conv1-0.copies.{group - 1}.weight"],
                    own[f"adapters.stages-conv1-1.copies.{group - 1}.bias"],
                )
            case "parallel_adapter":
                weight = weight.clone()
                weight[:, :, 1, 1] += own["adapters.stages-conv1-0.centre"][group]
            case "low_rank_convolution":
                weight = weight + (
                    own["adapters.stages-conv1-0.up"][group] @ own["adapters.stages-conv1-0.down"][group]
                ).view_as(weight)
            case "filter_mixing":
                weight = torch.einsum("oi,ichw->ochw", own["adapters.stages-conv1-0.mixing"][group], weight)
            case "weight_mask":
                weight = weight * (own["adapters.stages-conv1-0.scores"][group].view_as(weight) > 5e-3)
            case "task_routing":
                scale = own["adapters.stages-conv1-1.mask"][group].float()[:, None, None]
            case "batch_norm_bias":
                bias = bias + own["adapters.stages-conv1-1.bias"][group]
            case "batch_norm_affine" | "batch_norm":
                scale = own["adapters.stages-conv1-1.weight"][group][:, None, None]
                bias = bias + own["adapters.stages-conv1-1.bias"][group] / own["adapters.stages-conv1-1.weight"][group]
        normalised = (F.conv2d(images, weight) - mean[:, None, None]) / (variance + 1e-3).sqrt()[:, None, None]
        expected = ((normalised + bias[:, None, None]) * scale).relu()
        with modulation.serving(torch.tensor([group])):
            torch.testing.assert_close(network.backbone.stages["conv1"](images), expected, rtol=1e-4, atol=1e-5)
    # without anybody to serve, the backbone is the bare one
    bare = build_model(_config("scale", ())).eval().members[0].backbone
    assert torch.equal(network.backbone(images), bare(images))


@pytest.mark.parametrize("form", ["batch_norm_statistics", "batch_norm"])
def test_statistics_of_a_group_are_those_of_its_rows(form: str) -> None:
    model = build_model(_config(form, ("res5",)))
    network = model.members[0]
    inputs: list[torch.Tensor] = []
    layer = network.backbone.stages["res5"].reduce[0][0]
    layer.register_forward_hook(lambda _layer, _inputs, output: inputs.append(output.detach()))
    images, tasks = torch.cat([_images(4), 3 * _images(4)]), torch.tensor([0] * 4 + [2] * 4)
    model.embed_mixed(images, tasks)
    norm = network.backbone.stages["res5"].reduce[0][1]
    found = dict(network.points()["res5"].named_buffers())
    prefix = "adapters.stages-res5-reduce-0-1." + ("statistics." if form == "batch_norm" else "")
    own, momentum = found[prefix + "own_mean"], 0.005
    rows = inputs[0]
    torch.testing.assert_close(norm.running_mean, momentum * rows[:4].mean(dim=(0, 2, 3)))
    torch.testing.assert_close(own[1], momentum * rows[4:].mean(dim=(0, 2, 3)))
    assert (own[0] == 0).all()  # no row of task b


@pytest.mark.parametrize("form", sorted(FORMS))
def test_no_task_moves_what_belongs_to_another(form: str) -> None:
    model = _shaken(_config(form, LATE)).eval()
    images = _images()
    modulations = model.members[0].points().values()
    for task in range(3):
        model.zero_grad()
        embedded = model.embed_tasks(images)[task]
        (embedded * torch.randn_like(embedded)).sum().backward()
        for modulation in modulations:
            for name, parameter in modulation.named_parameters():
                if form == "own":
                    others = parameter.grad is not None and f"copies.{task - 1}." not in name
                    assert not (others and (parameter.grad != 0).any())
                elif parameter.grad is not None:
                    rows = [row for row in range(3) if row != task]
                    assert (parameter.grad[rows] == 0).all(), name


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("points", [STAGES, LATE])
@pytest.mark.parametrize("groups", [(("a",), ("b",), ("c",)), (("a", "c"), ("b",))])
def test_the_ledger_equals_what_is_built_stored_and_computed(form: str, points: tuple[str, ...], groups: Any) -> None:
    config = _config(form, points, groups=groups)
    ledger, model = storage_ledger(config), _shaken(config).eval()
    stored = model.stored_state()
    assert ledger.bytes_fp32 == sum(tensor.numel() * tensor.element_size() for tensor in stored.values())
    dense = [tensor for tensor in stored.values() if tensor.dtype != torch.uint8]
    assert ledger.parameters + ledger.buffers == sum(tensor.numel() for tensor in dense) + ledger.total.mask_words
    again = build_model(config).eval()
    again.load_stored_state(stored)
    images = _images(2)
    assert torch.equal(again.embed_tasks(images), model.embed_tasks(images))
    # what one image more costs: the making of a group's weights is done once, not once an image
    assert 2 * ledger.multiply_adds_per_image == _flops(model, images) - _flops(model, images[:1])


def _flops(model: MultiTaskModel, images: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.embed_tasks(images)
    return int(counter.get_total_flops())


PER_TASK = [
    ("scale", ("fc",), None, 256),
    ("scale", ("res5", "fc"), None, 384),
    ("scale", LATE, None, 512),
    ("scale", STAGES[2:], None, 640),
    ("scale", STAGES[1:], None, 704),
    ("scale", STAGES, None, 736),
    ("scale_shift", LATE, None, 1_024),
    ("scale_shift", STAGES[1:], None, 1_408),
    ("batch_norm_bias", STAGES, None, 1_632),
    ("batch_norm_affine", STAGES, None, 3_264),
    ("squeeze_excite", ("res4", "res5"), 16, 4_368),
    ("squeeze_excite", STAGES[1:5], 16, 7_132),
    ("projection", ("res4", "res5"), None, 32_768),
    ("projection", LATE, None, 98_304),
    ("projection", STAGES[1:], None, 118_784),
    ("low_rank_convolution", CONVOLUTIONS, 1, 12_635),
    ("low_rank_convolution", CONVOLUTIONS, 2, 25_270),
    ("low_rank_convolution", CONVOLUTIONS, 4, 50_540),
    ("low_rank_convolution", CONVOLUTIONS, 8, 101_080),
    ("parallel_adapter", CONVOLUTIONS, None, 149_600),
    ("filter_mixing", CONVOLUTIONS, None, 160_768),
    ("own", ("fc",), None, 1_605_888),
    ("own", ("res5", "fc"), None, 2_048_640),
    ("own", LATE, None, 2_491_392),
    ("weight_mask", STAGES, None, 92_251),
    ("task_routing", STAGES, None, 51),
]
"""Added parameters a task on the released network at 150 pixels, as counted by hand from the published layers."""


@pytest.mark.parametrize(("form", "points", "size", "per_task"), PER_TASK)
@pytest.mark.parametrize("tasks", [7, 20, 40])
def test_published_counts(form: str, points: tuple[str, ...], size: int | None, per_task: int, tasks: int) -> None:
    ledger = _released(form, points, size, tasks)
    copies = tasks - 1 if form == "own" else tasks  # the first task goes on using the shared copy
    assert ledger.base_parameters == 2_953_664
    assert ledger.added_parameters == copies * per_task
    assert ledger.added_parameters_per_task == per_task


def _released(form: str, points: tuple[str, ...], size: int | None, tasks: int) -> StorageLedger:
    names = tuple(f"task{index}" for index in range(tasks))
    return storage_ledger(_config(form, points, names, size=size, width=1.0, image_size=150))


@pytest.mark.parametrize(("form", "points", "size", "per_task"), PER_TASK)
def test_the_built_network_has_the_published_counts(
    form: str, points: tuple[str, ...], size: int | None, per_task: int
) -> None:
    config = _config(form, points, ("a", "b"), size=size, width=1.0, image_size=150)
    stored = build_model(config).stored_state()
    modulation = {name: tensor for name, tensor in stored.items() if ".modulations." in name}
    buffers = sum(tensor.numel() for name, tensor in modulation.items() if "running_" in name)
    bits = 8 * sum(tensor.numel() for tensor in modulation.values() if tensor.dtype == torch.uint8)
    numbers = sum(tensor.numel() for tensor in modulation.values() if tensor.dtype != torch.uint8) - buffers
    assert numbers + bits / 32 == per_task * (1 if form == "own" else 2)


def test_one_mask_bit_a_weight_and_a_unit() -> None:
    assert _released("weight_mask", STAGES, None, 7).total.mask_bits == 7 * 2_952_032
    assert _released("task_routing", STAGES, None, 7).total.mask_bits == 7 * 1_632


def test_a_stage_without_such_layers_is_left_as_it_is() -> None:
    model = build_model(_config("parallel_adapter", ("res5", "fc")))
    assert model.modulation_points == ("res5",)
    with pytest.raises(ValueError, match=r"modulation.form: 'parallel_adapter' finds no layer of its kind in fc"):
        build_model(_config("parallel_adapter", ("fc",)))


def test_half_of_the_units_is_routed_to_each_task_and_starts_differ() -> None:
    masks = [
        buffer
        for name, buffer in build_model(_config("task_routing", STAGES)).members[0].modulations.named_buffers()
        if name.endswith("mask")
    ]
    assert len(masks) == 14
    assert all(mask.sum(dim=1).tolist() == [mask.shape[1] // 2] * 3 for mask in masks)
    assert not torch.equal(masks[0][0], masks[0][1]) or not torch.equal(masks[1][0], masks[1][1])


def test_frozen_forms_do_not_learn() -> None:
    config = _config("batch_norm_affine", ("res5",), initialization=InitializationConfig(trainable=False))
    assert not any(parameter.requires_grad for parameter in build_model(config).members[0].modulations.parameters())
