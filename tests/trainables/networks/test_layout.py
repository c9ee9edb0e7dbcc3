"""Index tensors whose values the host knows."""

from __future__ import annotations

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.networks.modulation.layout import RowLayout, layout_of, looked_up
from trainables.networks.modulation.routing import by_group
from trainables.networks.multi_task import MultiTaskModel, build_model

HERE = torch.device("cpu")
TASKS = ["a", "b", "c"]
IN_TURN = [0, 0, 1, 1, 2, 2]
MIXED = [2, 0, 1, 0, 2, 2]


def test_the_tensors_of_a_layout_are_those_of_its_values() -> None:
    layout = RowLayout(MIXED)
    values = torch.tensor(MIXED)
    assert torch.equal(layout.index(HERE), values)
    assert layout.index(HERE) is layout.index(HERE)
    assert layout_of(layout.index(HERE)) is layout
    assert torch.equal(layout.rows_of(2, HERE), (values == 2).nonzero().squeeze(1))
    collected = torch.cat([layout.rows_of(value, HERE) for value in range(3)])
    assert torch.equal(layout.back(HERE), collected.argsort())
    assert looked_up([5, 6, 7], layout.index(HERE)).tolist() == looked_up([5, 6, 7], values).tolist()
    assert layout.among(RowLayout([1, 0, 1, 0, 0, 1]), 1).values == (2, 1, 2)
    assert layout.every(3, 1).values == tuple(MIXED[1::3])


@pytest.mark.parametrize("values", [IN_TURN, MIXED, [1] * 6])
def test_rows_of_a_known_layout_need_no_reading(values: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    read = by_group(features, torch.tensor(values), lambda group, rows: rows * (group + 1))
    groups = RowLayout(values).index(HERE)
    monkeypatch.setattr(torch.Tensor, "tolist", lambda _: pytest.fail("values were read from the device"))
    known = by_group(features, groups, lambda group, rows: rows * (group + 1))
    assert torch.equal(known, read)
    assert torch.equal(known, features * (torch.tensor(values) + 1)[:, None])


def model_of(**sections: object) -> MultiTaskModel:
    values = {"data": {"tasks": TASKS, "image_size": 48}, "network": {"width": 0.0625}, **sections}
    return build_model(TrialConfig.model_validate(values))


@pytest.mark.parametrize(
    "sections",
    [
        {"network_groups": [["a"], ["b"], ["c"]]},
        {"network_groups": [["a", "c"], ["b"]], "modulation": {"points": ["fc"], "form": "projection"}},
        {"modulation": {"points": ["res5"], "form": "batch_norm", "groups": [["a", "c"], ["b"]]}},
    ],
)
@pytest.mark.parametrize("order", [IN_TURN, MIXED])
def test_a_known_layout_changes_no_bit(sections: dict[str, object], order: list[int]) -> None:
    model = model_of(**sections)
    images = torch.randn(6, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    names = set(model.state_dict())
    with torch.no_grad():
        model.eval()
        unknown = model.embed_mixed(images, torch.tensor(order))
        assert torch.equal(model.embed_mixed(images, RowLayout(order).index(HERE)), unknown)
        every = model.embed_tasks(images)
        assert torch.allclose(unknown, torch.stack([every[task, row] for row, task in enumerate(order)]), atol=1e-6)
    assert set(model.state_dict()) == names
    assert not [name for name, buffer in model.named_buffers() if not buffer.is_floating_point()]


def test_indices_made_in_evaluation_serve_training() -> None:
    """An inference tensor could not be saved for the backward pass."""
    model = model_of(modulation={"points": ["res5", "fc"]})
    images = torch.randn(4, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    layout = RowLayout([0, 0, 1, 2])
    with torch.inference_mode():
        model.embed_tasks(images)
        model.embed_mixed(images, layout.index(HERE))
    model.embed_tasks(images).sum().backward()
    model.embed_mixed(images, layout.index(HERE)).sum().backward()
