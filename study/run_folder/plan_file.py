"""A run's plan file on disk: read completely, or recognized as damaged."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from study.errors import UserError
from study.journal.events import PlainArm
from study.layout import RunFolder
from trainables.config.runtime import Device


class DamagedPlanError(UserError):
    """``plan.json`` is damaged; it can be rebuilt from the study file."""


class _Part(BaseModel):
    """What is read from the document as it is; the rest is checked where the definition is validated."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Component(_Part):
    component: str
    kind: str


class _Arm(PlainArm):
    storage: list[_Component]


class _Source(_Part):
    kind: str


class _Data(_Part):
    source: _Source
    tasks: list[str]
    image_size: int
    fit: str


class _Seeds(_Part):
    data_seed: int


class _Search(_Part):
    halving: dict[str, Any] | None


class _Definition(_Part):
    data: _Data
    seeds: _Seeds
    search: _Search
    selection: dict[str, Any]
    tracking: dict[str, Any] | None = None


class _Document(_Part):
    study: str
    definition: _Definition
    data_fingerprint: str
    results_version: int = Field(1, ge=1)
    device: Device = "cpu"
    cpu_in_ids: bool = False
    arms: list[_Arm]


def read_document(folder: RunFolder) -> dict[str, Any]:
    """Return what ``plan.json`` holds.

    Raises:
        UserError: there is no such file.
        DamagedPlanError: it is empty, truncated, or JSON of another shape.
    """
    try:
        document = json.loads(folder.plan.read_text(encoding="utf-8"))
        _Document.model_validate(document)
    except FileNotFoundError:
        raise UserError(f"{folder.shown}: no study has been run here (no {folder.plan.name})") from None
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
    return DamagedPlanError(f"{folder.plan}: damaged ({reason}); rebuild it with: modstudy run {folder.shown}")
