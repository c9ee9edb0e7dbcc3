"""What tables and MLflow show of a trial's factors and nuisance values, read from its record in plan or journal.

The factors are the fields of ``search_spaces.block.Block``, the nuisance values those of ``search_spaces.nuisance``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.block import factor_columns
from search_spaces.nuisance import NUISANCE
from trainables.config.trial import TrialConfig

__all__ = ["factor_columns", "nuisance_columns"]


def nuisance_columns(config: Mapping[str, Any]) -> dict[str, float | int]:
    """Return every nuisance value that a trial ran with, by name.

    Args:
        config: The trial's configuration as JSON values. What a journal lacks, because it is older than the setting,
            was at the setting's default.
    """
    return {name: _recorded(config, rule.key) for name, rule in NUISANCE.items()}


def _recorded(config: Mapping[str, Any], key: str) -> float | int:
    name, _, setting = key.partition(".")
    section: Any = TrialConfig.model_fields[name].annotation
    field = section.model_fields[setting]
    value: float | int = config.get(name, {}).get(field.serialization_alias or setting, field.default)
    return value
