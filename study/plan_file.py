"""The file of a run's plan as it lies on the disk: read whole, or known to be damaged."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from study.errors import UserError
from study.layout import RunFolder


class DamagedPlanError(UserError):
    """``plan.json`` is not what was written; it can be written anew from the study file."""


class _Arm(BaseModel):
    """What the tables and MLflow take from an arm; the rest is checked where the definition is read."""

    model_config = ConfigDict(extra="allow", strict=True)

    arm_id: str
    name: str
    storage: list[dict[str, Any]]


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    study: str
    definition: dict[str, Any]
    data_fingerprint: str
    results_version: int = 0
    arms: list[_Arm]


def read_document(folder: RunFolder) -> dict[str, Any]:
    """Return what ``plan.json`` holds.

    Raises:
        UserError: there is no such file.
        DamagedPlanError: it is empty, cut, or JSON of another shape.
    """
    try:
        document = json.loads(folder.plan.read_text(encoding="utf-8"))
        _Document.model_validate(document)
    except FileNotFoundError:
        raise UserError(f"{folder.path}: no study has been run here (no {folder.plan.name})") from None
    except (ValueError, RecursionError) as error:
        raise damaged(folder, error) from None
    found: dict[str, Any] = document
    return found


def damaged(folder: RunFolder, error: Exception) -> DamagedPlanError:
    """Return the error that says so."""
    reason = "not JSON" if isinstance(error, json.JSONDecodeError | RecursionError) else "not a plan"
    if isinstance(error, ValidationError):
        place = ".".join(map(str, error.errors()[0]["loc"]))
        reason += f": {place}: {error.errors()[0]['msg']}" if place else ""
    return DamagedPlanError(f"{folder.plan}: damaged ({reason}); write it anew with: modstudy run {folder.path}")
