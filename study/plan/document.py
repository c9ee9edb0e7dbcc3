"""``plan.json``: a plan as a run folder keeps it, written once and read without the data at hand.

``study.run_folder.plan_file`` reads the bare document and checks its shape; here it becomes a ``StudyPlan`` again.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from study.definition.model import StudyDefinition
from study.errors import UserError
from study.layout import RunFolder
from study.plan.counted import counted_in, counted_record
from study.plan.device import PlannedDevice, recorded_device
from study.plan.plan import StudyPlan, compile_plan
from study.run_folder.ownership import refuse_another_rule, refuse_another_study
from study.run_folder.plan_file import damaged, read_document
from trainables.config.identity import RESULTS_VERSION
from trainables.foundation.files import write_text_atomically

LAST_UNRECORDED_VERSION = 2
"""The results version of a ``plan.json`` without one."""


def plan_document(plan: StudyPlan) -> dict[str, Any]:
    """Return the content of ``plan.json``."""
    return {
        "study": plan.definition.name,
        "definition": plan.definition.to_dict(),
        "data_fingerprint": plan.data_fingerprint,
        "results_version": plan.results_version,
        "device": plan.device.kind,
        **({"cpu_in_ids": True} if plan.device.cpu_in_ids else {}),
        "arms": [
            {
                **planned.arm.to_dict(),
                "storage": planned.storage.rows(plan.definition.name, planned.arm.arm_id, planned.arm.name),
            }
            for planned in plan.arms
        ],
        "over_budget": [str(arm) for arm in plan.over_budget],
        **counted_record(plan),
    }


def write_plan(plan: StudyPlan, folder: RunFolder) -> None:
    """Write ``plan.json``: the definition, the data's fingerprint and every arm with its rows of the storage table.

    Raises:
        UserError: trials of the folder belong to another study, or were decided by another selection rule or halving.
    """
    refuse_another_study(plan.definition, plan.data_fingerprint, folder)
    refuse_another_rule(plan.definition, folder)
    write_text_atomically(folder.plan, json.dumps(plan_document(plan), indent=1, allow_nan=False) + "\n")


def read_plan(folder: RunFolder) -> StudyPlan:
    """Return the plan that ``write_plan`` wrote; the data need not be available.

    A plan of an older results version is returned as that version made it, so that it finds its trials.

    Raises:
        UserError: the folder has no plan, a damaged one, or one of a newer version.
    """
    document = read_document(folder)
    version = int(document.get("results_version", LAST_UNRECORDED_VERSION))
    if version > RESULTS_VERSION:
        raise UserError(
            f"{folder.shown}: contains results of version {version}, but this installation knows versions up to"
            f" {RESULTS_VERSION}; update modulation-study to read them"
        )
    known = document["data_fingerprint"], version, recorded_device(document)
    try:
        return _compiled(json.dumps({name: document.get(name) for name in ("definition", "counted")}), *known)
    except ValidationError as error:
        raise damaged(folder, error) from None


@lru_cache(maxsize=4)
def _compiled(part: str, fingerprint: str, version: int, device: PlannedDevice) -> StudyPlan:
    """Compile a plan once: a process that reports on a run reads it several times, and each trial has its id then."""
    document = json.loads(part)
    definition = _from_json(json.dumps(document["definition"]))
    return compile_plan(definition, fingerprint, version, device, counted_in(document))


def planned_definition(folder: RunFolder) -> StudyDefinition:
    """Return the definition in ``plan.json``.

    Raises:
        UserError: there is no such file, or it is damaged (``DamagedPlanError``).
    """
    document = read_document(folder)
    try:
        return _from_json(json.dumps(document["definition"]))
    except ValidationError as error:
        raise damaged(folder, error) from None


def _from_json(definition: str) -> StudyDefinition:
    return StudyDefinition.model_validate_json(definition, strict=True)
