"""The identity of a trial: exactly what can affect its result."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from trainables.config.acting import without_idle
from trainables.config.network import network_identity
from trainables.config.trial import TrialConfig

RESULTS_CHANGES: dict[int, str] = {
    2: "forms inside layers and balancing as a factor came in",
    3: "batch-norm statistics, GradNorm, FAMO and masks were mended, and ids hold only what can change a result",
}
"""Code changes that affect results, by the version that introduced them; the first version is 1."""

FORM_CHANGES: dict[str, dict[int, str]] = {
    "weight_mask": {2: "scores start out of reach of the first steps"},
}
"""Code changes that affect only the trials with one form, by form and version of the form; the first version is 1. Ids
of those trials hold the version of their form; the ids of all others stay."""

RESULTS_VERSION = max(RESULTS_CHANGES)
"""Incremented whenever a code change affects results, so that old journals are never mistaken for new ones."""


def trial_identity(
    config: TrialConfig, data_fingerprint: str, results_version: int = RESULTS_VERSION, *, cpu_in_ids: bool = False
) -> dict[str, Any]:
    """Return exactly what can affect the trial's result, as plain JSON values.

    Settings at their defaults are left out, so that adding a setting changes no id; changing a default is a code change
    that affects results. Settings without effect given the others (``trainables.config.acting``) are left out as well.
    The device ``cpu`` counts as ``auto``, the default, so that resolving a study's device changed no id on the CPU.
    Paths of data and start weights are replaced by content hashes, so that trials remain valid when files move.

    Args:
        config: The trial.
        data_fingerprint: Fingerprint of its images and labels.
        results_version: Version of the code that produces the results, from 2. Version 2 keeps settings without effect.
        cpu_in_ids: Whether a device ``cpu`` that the study file named is kept, as it was before devices were resolved.
    """
    named = config
    if config.compute.device == "cpu" and not cpu_in_ids:
        named = config.model_copy(update={"compute": config.compute.model_copy(update={"device": "auto"})})
    identity = named.model_dump(mode="json", exclude_defaults=True)
    if "network" in identity:
        identity["network"] = network_identity(config.network)
    identity["data"]["source"] = {"fingerprint": data_fingerprint}
    for limit in ("max_corrupt_share", "max_duplicate_share"):  # decide whether a study starts, not its results
        identity["data"].pop(limit, None)
    if results_version > 2:
        identity = without_idle(config, identity)
        changes = FORM_CHANGES.get(config.modulation.form) if config.modulation.points else None
        if changes:
            identity["form_version"] = max(changes)
    identity["results_version"] = results_version
    return identity


def trial_id(
    config: TrialConfig, data_fingerprint: str, results_version: int = RESULTS_VERSION, *, cpu_in_ids: bool = False
) -> str:
    """Return the trial's id: 16 hexadecimal digits of a BLAKE2b hash of its identity."""
    identity = trial_identity(config, data_fingerprint, results_version, cpu_in_ids=cpu_in_ids)
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
