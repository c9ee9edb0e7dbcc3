"""What identifies a trial: everything that can change its result, and nothing else."""

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
"""What changed numbers, by the version that brought it; version 1 was the first."""

RESULTS_VERSION = max(RESULTS_CHANGES)
"""Raised whenever a change of the code changes numbers, so that old journals are never mistaken for new ones."""


def trial_identity(
    config: TrialConfig, data_fingerprint: str, results_version: int = RESULTS_VERSION
) -> dict[str, Any]:
    """Return what can change the trial's result, and nothing else, as plain JSON values.

    Settings at their defaults are left out, so that a new setting changes no id; a changed default is a change of the
    code that changes numbers. So are settings that cannot act beside the others (``trainables.config.acting``). The
    paths of data and start weights are replaced by a hash of their content, so moved files keep their trials.

    Args:
        config: The trial.
        data_fingerprint: Of its images and labels.
        results_version: Of the code that makes or made the numbers, from 2. Version 2 left out less.
    """
    identity = config.model_dump(mode="json", exclude_defaults=True)
    if "network" in identity:
        identity["network"] = network_identity(config.network)
    identity["data"]["source"] = {"fingerprint": data_fingerprint}
    for limit in ("max_corrupt_share", "max_duplicate_share"):  # decide whether a study starts, not what it finds
        identity["data"].pop(limit, None)
    if results_version > 2:
        identity = without_idle(config, identity)
    identity["results_version"] = results_version
    return identity


def trial_id(config: TrialConfig, data_fingerprint: str, results_version: int = RESULTS_VERSION) -> str:
    """Return the trial's id: 16 hexadecimal digits of a BLAKE2b hash of its identity."""
    identity = trial_identity(config, data_fingerprint, results_version)
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
