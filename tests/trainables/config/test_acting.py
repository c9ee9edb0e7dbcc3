"""What is said not to act changes no bit and no id; what acts changes the id. Every key of a trial is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from safetensors.numpy import load_file

from trainables.config.acting import ACTS, acts
from trainables.config.identity import trial_id, trial_identity
from trainables.config.trial import TrialConfig
from trainables.foundation.section import Section
from trainables.networks.modulation import FORMS
from trainables.outcome import EpochRecord
from trainables.run import run_trial

Settings = dict[str, Any]
TrialWith = Callable[[Settings], TrialConfig]

BY_CONTENT = {"network.weights"}
"""Stands for a file, whose content decides: ``test_network_config``."""


def keys_of(section: type[Section], above: str = "") -> Iterator[str]:
    """Yield the dotted keys of all settings."""
    for name, info in section.model_fields.items():
        inner = [kind for kind in (info.annotation, *get_args(info.annotation)) if isinstance(kind, type)]
        below = [kind for kind in inner if issubclass(kind, Section) and kind.__name__.endswith("Config")]
        if below and f"{above}{name}" not in {"data.source", *BY_CONTENT}:
            yield from keys_of(below[0], f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_key_is_tried_where_it_acts_and_where_it_does_not(acting_cases: list[Any], idle_keys: set[str]) -> None:
    keys = set(keys_of(TrialConfig))
    sometimes = {case.key for case in acting_cases if acts(case.configs()[0], case.key)}
    assert {case.key for case in acting_cases} == keys - BY_CONTENT - {key for key in ACTS if key not in sometimes}
    assert idle_keys == ACTS.keys()
    assert ACTS.keys() <= keys


def test_a_setting_acts_under_a_form_of_ours_exactly_where_its_class_says_so(
    trial_with: TrialWith, late: Settings
) -> None:
    for name in FORMS.built_in:
        form, settings = FORMS[name], trial_with(late | {"modulation.form": name})
        for key, declared in (
            ("modulation.activation", form.of_vectors),
            ("modulation.size", form.default_size is not None),
            ("modulation.initialization.trainable", form.has_parameters),
            ("modulation.score_steps", form.has_scores),
            ("modulation.rate_factor", form.has_parameters),
        ):
            assert acts(settings, key) is declared


def test_what_acts_changes_the_id(acting: Any) -> None:
    first, second = acting.configs()
    assert acts(first, acting.key)
    fingerprints = ("a", "b") if acting.key == "data.source" else ("a", "a")
    assert trial_id(first, fingerprints[0]) != trial_id(second, fingerprints[1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a way to train a trial, each configuration once; gives outcome, metrics by epoch, and weights."""
    cache, known = tmp_path_factory.mktemp("cache"), dict[str, Any]()

    def train(config: TrialConfig) -> Any:
        name = json.dumps(config.model_dump(mode="json"), sort_keys=True)
        if name not in known:
            epochs: dict[int, dict[str, float]] = {}

            def report(record: EpochRecord) -> None:
                epochs[record.epoch] = record.metrics

            workspace = tmp_path_factory.mktemp("trial")
            outcome = run_trial(config, report=report, workspace=workspace, cache=cache)
            weights = load_file(workspace / "weights.safetensors")
            known[name] = outcome.task_metrics, epochs, {name: array.tobytes() for name, array in weights.items()}
        return known[name]

    return train


@pytest.mark.usefixtures("sample_networks")
def test_what_does_not_act_changes_neither_a_bit_nor_the_id(idle: Any, trained: Any) -> None:
    first, second = idle.configs()
    assert first != second
    assert not acts(first, idle.key)
    assert not acts(second, idle.key)
    assert trial_id(first, "data") == trial_id(second, "data")
    metrics, epochs, weights = zip(trained(first), trained(second), strict=True)
    assert metrics[0] == metrics[1]
    assert weights[0] == weights[1]
    for epoch, named in epochs[0].items():  # what monitoring records beside it may be there or not
        common = {name for name in named.keys() & epochs[1][epoch].keys() if not name.startswith("update_agreement/")}
        assert "train/loss" in common
        assert {name: named[name] for name in common} == {name: epochs[1][epoch][name] for name in common}


def test_ids_of_version_2_held_everything_that_is_not_a_default(trial_with: TrialWith, late: Settings) -> None:
    """These ids were written by the code of version 2."""
    monitored = trial_with({"agreement.every_epochs": 1, "balancing.cagrad_c": 0.9})
    plain, late_and_monitored = trial_with(late), trial_with(late | {"agreement.every_epochs": 1})
    assert trial_id(plain, "data", 2) != trial_id(late_and_monitored, "data", 2)
    assert trial_identity(monitored, "data", 2)["agreement"] == {"every_epochs": 1}
    assert "agreement" not in trial_identity(monitored, "data", 3)


def test_a_look_at_validation_decides_nothing_on_the_way(trained: Any, trial_with: TrialWith) -> None:
    """A rate so high that embeddings overflow after the first epoch alone: looking there must not end the trial."""
    wild = {"optimization.optimizer": "sgd", "optimization.learning_rate": 1e10, "optimization.epochs": 4}
    wild |= {"optimization.steps_per_epoch": 2}
    often, _, _ = trained(trial_with(wild | {"network.batch_norm_momentum": 1e-3, "evaluation.validate_every": 1}))
    rarely, _, _ = trained(trial_with(wild | {"network.batch_norm_momentum": 1e-3, "evaluation.validate_every": 4}))
    assert often == rarely
