"""Definitions given in code: validated like study files, with paths relative to the working directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from pydantic import BaseModel

from study.definition.loading import study_of
from study.definition.model import StudyDefinition
from study.errors import UserError


def defined(values: Mapping[str, Any]) -> StudyDefinition:
    """Return the definition given by a mapping with the keys of a study file.

    Parts of the mapping may be objects, such as a ``SearchSpace``.

    Raises:
        UserError: a key or value breaks a rule; the message names the study, the key, the value and the rule.
    """
    name = f"study {values['name']}" if isinstance(values.get("name"), str) else "study"
    return study_of(name, {str(key): _plain(f"{name}: {key}", value) for key, value in values.items()}, Path.cwd())


def located(definition: StudyDefinition) -> StudyDefinition:
    """Return the definition with relative paths resolved against the working directory."""
    return defined(definition.model_dump(mode="json", exclude_unset=True))


def _plain(key: str, value: Any) -> Any:
    """Return a value in the form it has in a study file."""
    if isinstance(value, Mapping):
        return {str(name): _plain(f"{key}.{name}", entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(f"{key}[{index}]", entry) for index, entry in enumerate(value)]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if value is None or isinstance(value, str | int | float | bool | PurePath):
        return str(value) if isinstance(value, PurePath) else value
    if isinstance(value, np.generic):
        return value.item()
    if callable(to_dict := getattr(value, "to_dict", None)):
        return to_dict()
    raise UserError(f"{key}: expected a value as in a study file, or a part of a definition, got {value!r}")
