"""Embedding for validation and update agreement stay on the device: nothing is read or copied between two batches.

On torch's meta device, as in ``test_meta_step.py``. The figures themselves are compared on a GPU, where there is one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.diagnostics.agreement_probe import AgreementProbe
from trainables.evaluation import measure
from trainables.evaluation.frozen import FrozenSplit
from trainables.evaluation.measure import embed_split, measured
from trainables.evaluation.triplet_accuracy import TRIPLET_ACCURACY, TRIPLET_METRICS
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

META, CPU = torch.device("meta"), torch.device("cpu")
SIZE = 48

QUICK = ("form own, groups apart", "backbone csn_resnet18", "scheme networks", "preprocessing imagenet")


def frozen(split: Split, tasks: tuple[str, ...]) -> FrozenSplit:
    """All images of a split, ranked and asked for, with triplets of the first images."""
    rows = np.arange(len(split.labels))
    triplets = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    lists = {metric: tuple(triplets for _ in tasks) for metric in TRIPLET_METRICS}
    every = np.ones(len(rows), np.bool_)
    return FrozenSplit("validation", tasks, split.images, rows, split.labels, lists, every, every)


@pytest.fixture
def config_of(cases: ModuleType, trial_of: Callable[..., TrialConfig]) -> Callable[..., TrialConfig]:
    """The trial of a case, whose update agreement is measured."""

    def make(case: str, device: str = "cpu") -> TrialConfig:
        config = trial_of(**{**cases.CASES[case], "agreement": {"every_epochs": 1, "images": 12}})
        return config.model_copy(update={"compute": config.compute.model_copy(update={"device": device})})

    return make


@pytest.fixture
def refusals(
    host_reads: ModuleType, noise: Callable[..., Split], config_of: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """Embed and probe on the meta device twice, the second time in strictness; return what was refused."""
    monkeypatch.setattr(measure, "_kept_on", lambda device: device)  # as on CUDA
    monkeypatch.setattr(measure, "ACCELERATOR_CHUNK_PIXELS", 10 * SIZE**2)

    def found(case: str) -> list[str]:
        config = config_of(case)
        split = noise(len(config.data.tasks), SIZE)
        wrong = []
        with trial_runtime(config.compute) as runtime:
            there = dataclasses.replace(runtime, device=META)
            model = Learner(config, split, there).model
            probe, shown = AgreementProbe(config, split, there), frozen(split, config.data.tasks)
            pixels = torch.empty(split.images.shape, dtype=torch.uint8, device=META)
            for work in (
                lambda: embed_split(model, shown, config.compute, config.data.preprocessing, pixels),
                lambda: probe.begin(model),
            ):
                try:
                    with host_reads.nothing_from_the_host() as how:
                        work()
                        how.strict = True
                        work()
                except host_reads.HostError as error:
                    wrong.append(str(error))
        return wrong

    return found


@pytest.mark.usefixtures("meta_is_a_device")
@pytest.mark.parametrize("case", QUICK)
def test_embedding_and_agreement_stay_on_the_device(case: str, refusals: Callable[[str], list[str]]) -> None:
    assert refusals(case) == []


@pytest.mark.long
@pytest.mark.usefixtures("meta_is_a_device")
def test_embedding_and_agreement_of_every_network_stay_on_the_device(
    refusals: Callable[[str], list[str]], cases: ModuleType
) -> None:
    of_steps = tuple(f"form {form}" for form in cases.OF_FORMS), ("balancing", "optimizer", "loss")
    networks = [case for case in cases.CASES if case not in of_steps[0] and not case.startswith(of_steps[1])]
    assert {case: found for case in networks if (found := refusals(case))} == {}


@pytest.mark.usefixtures("meta_is_a_device")
def test_what_is_copied_between_two_batches_is_found(
    refusals: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessed = measure.preprocessed
    monkeypatch.setattr(measure, "preprocessed", lambda pixels, *how: preprocessed(pixels.cpu().to(META), *how))
    (found,) = refusals(QUICK[0])
    assert "copied to the host" in found


@pytest.mark.gpu
@pytest.mark.parametrize("case", QUICK)
def test_what_is_measured_there_is_what_the_cpu_measures(
    case: str, config_of: Any, noise: Callable[..., Split], accelerator: torch.device
) -> None:
    metrics, agreement = [], []
    for device in (CPU, accelerator):
        config = config_of(case, device.type)
        split = noise(len(config.data.tasks), SIZE)
        with trial_runtime(config.compute) as runtime:
            learner = Learner(config, split, runtime)
            probe = AgreementProbe(config, split, runtime)
            window = probe.begin(learner.model)
            learner.run_epoch(1)
            agreement.append(probe.end(learner.model, window))
        with trial_runtime(config.compute) as runtime:  # untrained, so that both have the same weights
            model, shown = Learner(config, split, runtime).model, frozen(split, config.data.tasks)
            embeddings = embed_split(model, shown, config.compute, config.data.preprocessing)
            metrics.append({(row.task, row.metric, row.average): row.value for row in measured(embeddings, shown)})
    here, there = metrics
    assert here.keys() == there.keys()
    assert any(name == TRIPLET_ACCURACY for _, name, _ in here)
    assert there == pytest.approx(here, abs=0.05)  # an image or two change places
    assert agreement[1].keys() == agreement[0].keys()
    assert agreement[1] == pytest.approx(agreement[0], abs=0.1)
