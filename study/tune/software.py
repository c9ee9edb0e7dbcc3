"""The software that a result may depend on: versions of packages here, and of what a GPU computes with."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

_SOFTWARE = ("modulation-study", "torch", "numpy", "ray", "optuna", "pyarrow")


@cache
def software_versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _SOFTWARE}}


def libraries_of_gpu(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the type of GPU and the versions of its libraries, for a trial with this configuration that uses one."""
    device = config.get("compute", {}).get("device", "auto")
    if device != "cuda":
        return {}
    from trainables.training.runtime import computed_by

    return computed_by(device)
