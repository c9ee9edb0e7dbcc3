"""Which settings of a trial can affect its result, given the others.

This module does not import torch; looking up the traits of a form imports the form, unless they are on record.

A key of ``TrialConfig`` that is not in ``ACTS`` always has an effect. A setting that acts only under some other
settings needs an entry here; ``tests/trainables/config/test_acting.py`` verifies each by training with two values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from trainables.config.registries import BALANCERS, FORMS, traits_of

if TYPE_CHECKING:
    from trainables.config.trial import TrialConfig

Rule = Callable[["TrialConfig"], bool]


def _never(_: TrialConfig) -> bool:
    return False


def _modulated(trial: TrialConfig) -> bool:
    return bool(trial.modulation.points)


def _form_has(trait: Literal["of_vectors", "default_size", "has_parameters", "has_scores"]) -> Rule:
    """Return the rule that the form's class declares the trait; a form that is not installed is assumed to have it."""

    def rule(trial: TrialConfig) -> bool:
        if not _modulated(trial):
            return False
        name = trial.modulation.form
        return not FORMS.known(name) or bool(getattr(traits_of(name), trait))

    return rule


def _starts_as(kind: str) -> Rule:
    def rule(trial: TrialConfig) -> bool:
        return _form_has("of_vectors")(trial) and trial.modulation.initialization.kind == kind

    return rule


def _balanced_by(method: str) -> Rule:
    """Return the rule that a trial's method uses the settings of this one; external methods may use any settings."""

    def rule(trial: TrialConfig) -> bool:
        return trial.balancing.method == method or trial.balancing.method not in BALANCERS.built_in

    return rule


ACTS: dict[str, Rule] = {
    "data.max_corrupt_share": _never,  # decides whether a study starts; the fingerprint reflects dropped images
    "data.max_duplicate_share": _never,
    "data.max_pixels": _never,  # the fingerprint reflects which images it excludes
    "data.fit": lambda trial: trial.data.source.kind != "generated",  # generated faces are square
    "network.points": lambda trial: _modulated(trial) or not trial.network.imported,
    "network.folder": _never,
    "modulation.form": _modulated,
    "modulation.size": _form_has("default_size"),
    "modulation.activation": _form_has("of_vectors"),
    "modulation.score_steps": lambda trial: (
        _form_has("has_scores")(trial) and trial.modulation.initialization.trainable
    ),
    "modulation.rate_factor": lambda trial: (
        _form_has("has_parameters")(trial) and trial.modulation.initialization.trainable
    ),
    "modulation.groups": _modulated,
    "modulation.initialization.kind": _form_has("of_vectors"),
    "modulation.initialization.trainable": _form_has("has_parameters"),
    "modulation.initialization.value": _starts_as("constant"),
    "modulation.initialization.mean": _starts_as("normal"),
    "modulation.initialization.std": _starts_as("normal"),
    "modulation.initialization.low": _starts_as("uniform"),
    "modulation.initialization.high": _starts_as("uniform"),
    "modulation.initialization.off": _starts_as("disjoint"),
    "modulation.initialization.keep": _starts_as("binary"),
    # The penalty on frozen masks is a constant.
    "loss.mask_l1": lambda trial: _form_has("of_vectors")(trial) and trial.modulation.initialization.trainable,
    "balancing.cagrad_c": _balanced_by("cagrad"),
    # Weights are equal in the first two epochs.
    "balancing.dwa_temperature": lambda trial: _balanced_by("dwa")(trial) and trial.optimization.epochs > 2,
    "balancing.famo_learning_rate": _balanced_by("famo"),
    "balancing.famo_weight_decay": _balanced_by("famo"),
    "balancing.gradnorm_alpha": _balanced_by("gradnorm"),
    "balancing.gradnorm_learning_rate": _balanced_by("gradnorm"),
    "balancing.nash_max_norm": _balanced_by("nash_mtl"),
    "optimization.restarts": lambda trial: trial.optimization.schedule != "constant",
    "optimization.decay_per_epoch": lambda trial: (
        trial.optimization.schedule == "exponential" and trial.optimization.epochs > 1
    ),
    # On the CPU and on MPS the same kernels run either way.
    "compute.deterministic": lambda trial: trial.compute.device in ("auto", "cuda"),
    "compute.data_on_device": _never,
    "compute.graph": _never,
    # Monitoring: observes training without affecting it.
    "evaluation.validate_every": _never,
    "evaluation.rung_metric": _never,
    "agreement.every_epochs": _never,
    "agreement.images": _never,
}
"""Dotted key -> rule that decides whether the key can affect the result of a trial."""

_SECTIONS = frozenset(key[:place] for key in ACTS for place, letter in enumerate(key) if letter == ".")
"""Keys of the sections that hold such keys."""


def acts(trial: TrialConfig, key: str) -> bool:
    """Return whether the setting with this dotted key can affect the trial's result, given its other settings."""
    return ACTS[key](trial) if key in ACTS else True


def without_idle(trial: TrialConfig, values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return ``values``, without settings that have no effect and without sections that become empty.

    Args:
        trial: The trial that determines which settings act.
        values: The trial, or a section of it, as plain values.
        above: Dotted key of the section in ``values``, ending in a dot; empty for the whole trial.
    """
    kept: dict[str, Any] = {}
    for name, value in values.items():
        key = above + name
        if key in _SECTIONS:
            inner = without_idle(trial, value, f"{key}.")
            kept |= {name: inner} if inner else {}
        elif acts(trial, key):
            kept[name] = value
    return kept
