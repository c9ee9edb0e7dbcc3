from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from results.tables.metrics import TASK_METRICS
from trainables.config.evaluation import EvaluationConfig, MetricName
from trainables.config.runtime import ComputeConfig
from trainables.data.preprocessing import to_network_input
from trainables.evaluation import measure as evaluation
from trainables.evaluation.frozen import check_measurable, freeze_split
from trainables.evaluation.measure import embed_split, evaluate, measured, triplet_metrics
from trainables.evaluation.retrieval_metrics import RANK_METRICS
from trainables.evaluation.triplet_accuracy import TRIPLET_ACCURACY, TRIPLET_METRICS
from trainables.outcome import mean_over_tasks, worst_task
from trainables.sampling.triplet_store import TripletStore

TASKS = ("brightness", "noise")
COMPUTE = ComputeConfig(device="cpu")


@dataclass(frozen=True)
class Pictures:
    images: np.ndarray
    labels: np.ndarray
    triplets: dict[str, np.ndarray] = field(default_factory=dict)


class MeanColour(nn.Module):
    """A small network of two tasks: the normalised mean colour, seen through a matrix of each task."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        matrices = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
        self.matrices = nn.Parameter(matrices)

    def embed_tasks(self, images: torch.Tensor) -> torch.Tensor:
        colours = self.norm(images).mean(dim=(2, 3))
        colours = torch.cat([colours[:, :2], torch.ones_like(colours[:, :1])], dim=1)
        return nn.functional.normalize(torch.einsum("tdc,bc->tbd", self.matrices, colours), dim=-1)


@pytest.fixture
def pictures():
    generator = np.random.default_rng(0)
    labels = np.stack([np.arange(60) % 2, generator.integers(-1, 3, 60)], axis=1)
    centres = np.where(labels[:, 0] == 1, 170, 80)[:, None, None, None]
    images = np.clip(centres + generator.normal(0, 30, (60, 12, 12, 3)), 0, 255).astype(np.uint8)
    images.setflags(write=False)
    return Pictures(images, labels)


def frozen(pictures, tmp_path, **settings):
    settings = EvaluationConfig(**{"triplets_per_task": 400, **settings})
    return freeze_split(pictures, "validation", TASKS, settings, TripletStore(tmp_path, data_seed=1))


def test_every_task_has_every_metric_and_a_visible_property_is_found(pictures, tmp_path):
    metrics = evaluate(MeanColour(), frozen(pictures, tmp_path), COMPUTE, "unit")
    assert len(metrics) == 2 * (2 * (2 + len(RANK_METRICS)) + 1)  # one task is binary, the other is not
    by_key = {(row.task, row.metric, row.average): row for row in metrics}
    assert len(by_key) == len(metrics)
    assert all(0 <= row.value <= 1 and 0 < row.chance <= 1 for row in metrics)
    for metric in (TRIPLET_ACCURACY, "recall_at_1", "mean_average_precision"):
        seen = by_key["brightness", metric, "query"]
        assert seen.value > 0.95
        unseen = by_key["noise", metric, "query"]
        assert unseen.value == pytest.approx(unseen.chance, abs=0.15)
    assert by_key["brightness", "recall_at_1", "query"].queries == 60
    assert by_key["noise", "recall_at_1", "query"].queries == (pictures.labels[:, 1] >= 0).sum()
    assert by_key["noise", TRIPLET_ACCURACY, "class"].queries == 400
    low, high = (by_key[task, "map_at_r", "class"].value for task in ("noise", "brightness"))
    assert mean_over_tasks(metrics, "validation", "map_at_r", "class") == pytest.approx((low + high) / 2)
    assert worst_task(metrics, "validation", "map_at_r", "class").task == "noise"


def test_triplet_accuracy_is_a_part_that_can_be_had_alone(pictures, tmp_path):
    model, split = MeanColour(), frozen(pictures, tmp_path)
    full = [row for row in evaluate(model, split, COMPUTE, "unit") if row.metric == TRIPLET_ACCURACY]
    assert list(triplet_metrics(embed_split(model, split, COMPUTE, "unit"), split)) == full


@pytest.mark.parametrize("training", [True, False])
def test_embedding_changes_nothing_in_the_model(pictures, tmp_path, training, monkeypatch):
    model, split = MeanColour().train(training), frozen(pictures, tmp_path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = embed_split(model, split, COMPUTE, "unit")
    assert model.training == training
    assert model.norm.training == training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    monkeypatch.setitem(evaluation.CHUNK_PIXELS, "cpu", 7 * 12 * 12)
    torch.testing.assert_close(embed_split(model, split, COMPUTE, "unit"), whole)
    with torch.inference_mode():
        images = to_network_input(pictures.images, torch.device("cpu"), False, "unit")
        at_once = model.eval().embed_tasks(images)
    torch.testing.assert_close(whole, at_once)
    assert whole.dtype == embed_split(model, split, COMPUTE.model_copy(update={"precision": "bf16"}), "unit").dtype


def test_a_cap_draws_the_same_images_for_everybody(pictures, tmp_path):
    split = frozen(pictures, tmp_path, max_images=30)
    assert len(split.rows) == len(split.labels) == 30
    np.testing.assert_array_equal(split.labels, pictures.labels[split.rows])
    np.testing.assert_array_equal(frozen(pictures, tmp_path / "b", max_images=30).rows, split.rows)
    for column, triplets in enumerate(split.triplets[TRIPLET_ACCURACY]):
        a, p, n = split.labels[triplets, column].T
        assert ((a == p) & (a != n) & (n >= 0)).all()
    metrics = evaluate(MeanColour(), split, COMPUTE, "unit")
    assert metrics[-1].queries <= 30
    assert len(frozen(pictures, tmp_path, max_images=1000).rows) == 60


def test_drawn_queries_are_the_same_for_everybody_and_meet_the_whole_gallery(pictures, tmp_path):
    model, split = MeanColour(), frozen(pictures, tmp_path, max_queries=12)
    assert split.queries.sum() == 12
    np.testing.assert_array_equal(frozen(pictures, tmp_path / "b", max_queries=12).queries, split.queries)
    every = {row[:4]: row for row in map(astuple, evaluate(model, frozen(pictures, tmp_path), COMPUTE, "unit"))}
    for row in evaluate(model, split, COMPUTE, "unit"):
        if row.metric in TRIPLET_METRICS:
            assert astuple(row) == every[astuple(row)[:4]]
        else:
            assert row.queries == (split.labels[split.queries, TASKS.index(row.task)] >= 0).sum()
            if row.average == "query" and row.task == "brightness":
                assert row.value == pytest.approx(every[astuple(row)[:4]][4], abs=0.1)


def test_one_metric_can_be_had_alone(pictures, tmp_path):
    model, split = MeanColour(), frozen(pictures, tmp_path)
    embeddings = embed_split(model, split, COMPUTE, "unit")
    every = measured(embeddings, split)
    assert {row.metric for row in every} == set(get_args(MetricName)) == set(TASK_METRICS)
    for name in get_args(MetricName):
        assert measured(embeddings, split, name) == tuple(row for row in every if row.metric == name)


def test_too_few_queries_are_found_from_labels_alone(pictures):
    pictures.labels[:, 1] = np.where(np.arange(60) < 3, [0, 0, 1] * 20, -1)
    settings = EvaluationConfig(max_queries=1)
    rule = "evaluation.max_queries: 1 queries are too few; raise it: task 'noise' on split 'validation' has no labelled"
    with pytest.raises(ValueError, match=rule):
        check_measurable(pictures, "validation", TASKS, settings, data_seed=2)
    check_measurable(pictures, "validation", TASKS, EvaluationConfig(max_queries=60), data_seed=1)


def test_errors_name_task_and_split(pictures, tmp_path):
    model = MeanColour()
    with torch.no_grad():
        model.matrices[1] = float("nan")
    with pytest.raises(ValueError, match="task 'noise' on split 'validation': embeddings must be finite: 60 of 60"):
        evaluate(model, frozen(pictures, tmp_path), COMPUTE, "unit")
    pictures.labels[:, 1] = 0
    with pytest.raises(ValueError, match="task 'noise' on split 'validation': triplets need two classes"):
        frozen(pictures, tmp_path)
    with pytest.raises(ValueError, match="no task has the metric 'recall_at_2'"):
        mean_over_tasks((), "validation", "recall_at_2")
