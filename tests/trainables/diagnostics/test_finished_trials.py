"""What is read from finished trials: modulation vectors, labels, and what they retrieve."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.diagnostics.retrieval_examples import label_associations, prepared_here, retrieval_examples
from trainables.diagnostics.task_vectors import UnreadableWeightsError, task_vectors
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.training.records import TrialRecords
from trainables.training.weights import save_weights

TASKS = ("Smiling", "Glasses", "Hat")


def config_of(**changes: object) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {
                "source": {"kind": "generated", "train_images": 12, "validation_images": 12, "test_images": 24},
                "tasks": TASKS,
                "image_size": 48,
            },
            "network": {"width": 0.0625},
            "modulation": {"points": ("res5", "fc"), "groups": (("Smiling", "Hat"), ("Glasses",))},
            "compute": {"device": "cpu"},
            **changes,
        }
    )


def saved(folder: Path, config: TrialConfig, name: str) -> tuple[MultiTaskModel, Path]:
    model, path = build_model(config), folder / f"{name}.safetensors"
    with torch.no_grad():
        for number, network in enumerate(model.members):
            for form in network.points().values():
                form.vectors += torch.randn(form.vectors.shape, generator=torch.Generator().manual_seed(number))
    save_weights(path, model, config, name, TrialRecords())
    return model, path


@pytest.mark.parametrize("groups", [(TASKS,), (("Smiling", "Hat"), ("Glasses",))])
def test_vectors_are_the_factors_of_each_task(tmp_path: Path, groups: tuple[tuple[str, ...], ...]) -> None:
    config = config_of(network_groups=groups)
    model, path = saved(tmp_path, config, "one")
    found = task_vectors(config, path)
    assert list(found) == ["res5", "fc"]
    for point, rows in found.items():
        for task, row in zip(TASKS, rows, strict=True):
            network = model.members[model.network_of[task]]
            assert row.tolist() == network.points()[point].factors()[network.branch_of[task]].tolist()


def test_arms_without_vectors_have_none_and_damage_is_named(tmp_path: Path) -> None:
    assert task_vectors(config_of(modulation={"points": ()}), tmp_path / "none") == {}
    rank = {"points": ("fc",), "form": "low_rank", "size": 2}
    config = config_of(modulation=rank)
    save_weights(tmp_path / "rank", build_model(config), config, "rank", TrialRecords())
    assert task_vectors(config, tmp_path / "rank") == {}
    (tmp_path / "damaged").write_bytes(b"no weights")
    with pytest.raises(UnreadableWeightsError, match="damaged"):
        task_vectors(config_of(), tmp_path / "damaged")
    with pytest.raises(UnreadableWeightsError, match="vectors"):  # another model's, which lacks them
        task_vectors(config_of(), tmp_path / "rank")


def test_examples_are_the_nearest_other_images(tmp_path: Path) -> None:
    config = config_of()
    dataset = prepare_dataset(config.data, 0, tmp_path / "cache")
    model, path = saved(tmp_path, config, "one")
    found = retrieval_examples(dataset, [("one", config, path)])
    assert found.gallery == 24
    model.train(mode=False)
    images = torch.from_numpy(np.array(dataset.splits["test"].images)).permute(0, 3, 1, 2) / 127.5 - 1
    embeddings, labels = model.embed_tasks(images).detach(), dataset.splits["test"].labels
    for query in found.queries[0]:
        task = TASKS.index(query.task)
        distances = [float((e - embeddings[task, query.image]).square().sum()) for e in embeddings[task]]
        nearest = sorted((d, n) for n, d in enumerate(distances) if n != query.image)[:8]
        assert [distances[one.image] for one in query.neighbours] == pytest.approx([d for d, _ in nearest], abs=1e-5)
        for one in query.neighbours:
            assert one.right == (labels[one.image, task] == labels[query.image, task])
        assert query.label == dataset.classes[query.task][labels[query.image, task]]
        assert Image.open(io.BytesIO(found.images[query.image])).size == (48, 48)


def test_labels_of_equal_tasks_are_associated_and_images_must_be_here(tmp_path: Path) -> None:
    config = config_of()
    dataset = prepare_dataset(config.data, 0, tmp_path)
    found = label_associations(dataset)
    assert np.diag(found) == pytest.approx(np.ones(3))
    assert found == pytest.approx(found.T)
    labels = np.asarray(dataset.splits["test"].labels)[:, :2]
    assert found[0, 1] == pytest.approx(abs(np.corrcoef(labels.T)[0, 1]))  # phi, where both tasks have two classes
    assert prepared_here(dataset.fingerprint, TASKS, tmp_path) is not None
    assert prepared_here(dataset.fingerprint, TASKS, tmp_path / "elsewhere") is None
