"""The penalties against the released code of Conditional Similarity Networks, written out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.data.preprocessing import to_network_input
from trainables.evaluation.frozen import freeze_split
from trainables.sampling.triplet_store import TripletStore
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

TASKS = ("a", "b", "c")
APART = (("a",), ("b", "c"))


def trial(scheme, points, *, apart, groups=None):
    return TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS, "image_size": 48},
            "network": {"width": 0.125},
            "modulation": {
                "points": points,
                "initialization": {"kind": "normal", "mean": 0.9, "std": 0.7},
                **({"groups": groups} if groups else {}),
            },
            "network_groups": APART if apart else (TASKS,),
            "batches": {"batch_size": 18, "scheme": scheme},
            "loss": {"distance": "euclidean", "normalize": False, "embedding_l2": 5e-3, "mask_l1": 5e-4},
            "optimization": {"steps_per_epoch": 3, "learning_rate": 0.02},
            "compute": {"device": "cpu"},
        }
    )


def split():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (40, 48, 48, 3), dtype=np.uint8)
    return Split(images, generator.integers(0, 2, (40, 3)))


def unmasked(network, images, groups):
    """The network stage by stage, up to what its own mask would be applied to; images and groups one to one."""
    features = images
    stages = list(network.backbone.stages)
    for stage, following in pairwise([*stages, None]):
        features = network.backbone.stages[stage](features)
        if following is not None and stage in network.modulations:
            features = network.modulations[stage](features, groups)
    return features


def masks(network, groups):
    return [modulation.vectors.detach().relu()[groups] for modulation in network.modulations.values()]


@pytest.mark.parametrize("points", [(), ("fc",), ("res5", "fc")], ids=str)
@pytest.mark.parametrize("apart", [False, True])
def test_given_triplets_as_released(points, apart):
    config = trial("triplets", points, apart=apart)
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split(), runtime)
        learner.model.train()
        batch = next(iter(learner.batches.epoch()))
        found = learner.loss(batch).penalties
        images = to_network_input(learner._images[batch.rows], runtime.device, True, "unit")
        rows, l1 = torch.zeros(18, learner.model.embedding_size), torch.zeros(18)
        for index, network in enumerate(learner.model.members):
            own = torch.tensor([learner.model.network_of[TASKS[task]] == index for task in batch.task_index])
            groups = torch.tensor([network.branch_of[TASKS[task]] for task in batch.task_index[own]])
            rows[own] = unmasked(network, images[own], groups)
            for mask in masks(network, groups):
                l1[own] += mask.abs().sum(dim=1)
        lengths = [rows[slot::3].norm(2) / 6**0.5 for slot in range(3)]
        norms = [l1[slot::3].sum() / 6 for slot in range(3)]
    assert found["embedding_l2"].item() == pytest.approx(5e-3 * sum(lengths).detach().item() / 3, rel=1e-5)
    assert ("mask_l1" in found) == bool(points)  # without masks there is nothing to hold small
    assert found.get("mask_l1", torch.zeros(())).item() == pytest.approx(5e-4 * float(sum(norms)) / 3, rel=1e-5)


@pytest.mark.parametrize("points", [(), ("fc",), ("res5", "fc")], ids=str)
@pytest.mark.parametrize("groups", [None, (("a",), ("b", "c"))])
@pytest.mark.parametrize("apart", [False, True])
def test_all_tasks_is_the_mean_over_tasks(points, groups, apart):
    config = trial("all_tasks", points, apart=apart, groups=groups)
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split(), runtime)
        learner.model.train()
        batch = next(iter(learner.batches.epoch()))
        found = learner.loss(batch).penalties
        images = to_network_input(learner._images[batch.rows], runtime.device, True, "unit")
        lengths, norms = [], []
        for network in learner.model.members:
            # batch norm sees the branches as one batch, so they are run as one here too
            branches = torch.arange(network.branches if points != ("fc",) else 1).repeat_interleave(18)
            rows = unmasked(network, images.repeat(int(branches.max()) + 1, 1, 1, 1), branches).view(-1, 18, 32)
            for task in network.tasks:
                lengths.append(rows[min(network.branch_of[task], len(rows) - 1)].norm(2) / 18**0.5)
                norms.append(sum(float(mask.abs().sum()) for mask in masks(network, network.branch_of[task])))
    assert found["embedding_l2"].item() == pytest.approx(5e-3 * sum(lengths).detach().item() / 3, rel=1e-4)
    assert ("mask_l1" in found) == bool(points)
    assert found.get("mask_l1", torch.zeros(())).item() == pytest.approx(5e-4 * sum(norms) / 3, rel=1e-5)


@pytest.mark.parametrize("scheme", ["all_tasks", "triplets"])
def test_penalties_are_trained_and_told(scheme):
    config = trial(scheme, ("fc",), apart=False)
    strong = config.loss.model_copy(update={"embedding_l2": 100.0, "mask_l1": 10.0})
    config = config.model_copy(update={"loss": strong})
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split(), runtime)
        metrics = [learner.run_epoch(epoch) for epoch in (1, 2, 3, 4)]
    for name in ("embedding_l2", "mask_l1"):
        assert metrics[-1][f"train/penalty/{name}"] < metrics[0][f"train/penalty/{name}"]
    parts = [value for name, value in metrics[0].items() if name.startswith("train/penalty/")]
    tasks = [value for name, value in metrics[0].items() if name.startswith("train/triplet_loss/")]
    assert metrics[0]["train/loss"] == pytest.approx(sum(parts) + np.mean(tasks), rel=1e-5)


def test_evaluation_ranks_by_distance_also_without_unit_length(tmp_path):
    from trainables.evaluation.measure import evaluate

    config = trial("all_tasks", ("fc",), apart=False)
    data = split()
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, data, runtime)
        settings = config.evaluation.model_copy(update={"triplets_per_task": 60})
        frozen = freeze_split(data, "validation", TASKS, settings, TripletStore(tmp_path, 0))
        found = {
            (row.task, row.metric): row.value
            for row in evaluate(learner.model, frozen, config.compute, "unit")
            if row.average == "query"
        }
        learner.model.eval()
        with torch.no_grad():
            embeddings = learner.model.embed_tasks(to_network_input(data.images, runtime.device, True, "unit")).double()
    lengths = embeddings.norm(dim=-1)
    assert lengths.max() > 1.5 * lengths.min()
    for column, task in enumerate(TASKS):
        distances = torch.cdist(embeddings[column], embeddings[column], compute_mode="donot_use_mm_for_euclid_dist")
        nearest = [min((j for j in range(40) if j != i), key=lambda j, i=i: float(distances[i, j])) for i in range(40)]
        labels = data.labels[:, column]
        assert found[task, "recall_at_1"] == pytest.approx(
            np.mean([labels[i] == labels[j] for i, j in enumerate(nearest)])
        )
        triplets = frozen.triplets["triplet_accuracy"][column]
        right = [float(distances[a, p]) < float(distances[a, n]) for a, p, n in triplets]
        assert found[task, "triplet_accuracy"] == pytest.approx(np.mean(right))
