"""The two files that describe a run folder. Each is rebuilt from the other if it is damaged or lost."""

from __future__ import annotations

import logging
from collections.abc import Callable

from study.definition.loading import dump_study, read_study
from study.definition.model import StudyDefinition
from study.errors import UserError
from study.journal.events import Event
from study.journal.history import planned_event
from study.journal.index import read_states
from study.journal.journal import read_journal
from study.layout import RunFolder
from study.plan.device import PlannedDevice, chosen_device, recorded_device
from study.plan.document import LAST_UNRECORDED_VERSION, planned_definition, write_plan
from study.plan.plan import compile_plan
from study.run_folder.ownership import trained_plan
from trainables.config.identity import RESULTS_VERSION, trial_id
from trainables.config.trial import TrialConfig
from trainables.foundation.files import write_text_atomically

_LOG = logging.getLogger(__name__)

_HEAD = "# The study as it was run; commands take its folder in place of a study file.\n"
_END = "# The study ends here.\n"
"""Without this line the file was truncated and might be read as another study. Users may add lines after it."""


def write_study_as_run(definition: StudyDefinition, folder: RunFolder) -> None:
    """Write ``study.yaml``."""
    write_text_atomically(folder.definition, _HEAD + dump_study(definition) + _END)


def study_as_run(folder: RunFolder) -> StudyDefinition:
    """Return the content of ``study.yaml``; if it is damaged or lost, it is rewritten from ``plan.json``.

    User edits, valid or not, are not damage.

    Raises:
        UserError: the file breaks a rule, or both files are damaged.
    """
    if not _is_damaged(folder):
        return read_study(folder.definition)
    try:
        definition = planned_definition(folder)
    except UserError as error:
        raise UserError(f"{folder.definition}: damaged, and it cannot be rebuilt: {error}") from error
    write_study_as_run(definition, folder)
    _LOG.warning("%s was damaged or missing; rebuilt from %s", folder.definition, folder.plan.name)
    return definition


def renew_plan(folder: RunFolder) -> None:
    """Rewrite ``plan.json`` from ``study.yaml``, unless it is intact.

    Raises:
        UserError: both files are damaged, or no trial was started and the data is not available.
    """
    try:
        planned_definition(folder)
    except UserError as damage:
        try:
            fingerprint, version = fingerprint_of_trials(folder), version_of_trials(folder)
            study = _whole_study(folder)
            write_plan(compile_plan(study, fingerprint, version, device_of_trials(folder)), folder)
        except UserError as error:
            raise UserError(f"{damage} (it cannot be rebuilt here: {error})") from error
        _LOG.warning("%s was damaged or missing; rebuilt from %s", folder.plan, folder.definition.name)


def mend_plan(folder: RunFolder) -> None:
    """Rewrite a damaged ``plan.json`` from ``study.yaml`` if possible, to identify the folder's study."""
    if folder.plan.is_file() and folder.definition.is_file():
        try:
            renew_plan(folder)
        except UserError:  # neither tells; the run that asks writes both
            return


def version_of_trials(folder: RunFolder) -> int:
    """Return the results version of the newest trials of a folder; the current one if there are none."""
    planned = _planned(folder)
    versions = [int(event.get("results_version", LAST_UNRECORDED_VERSION)) for event in planned]
    return max(versions, default=RESULTS_VERSION)


def fingerprint_of_trials(folder: RunFolder) -> str | None:
    """Return the fingerprint of the data of the trial that was planned last; None if there are none."""
    planned = _planned(folder)
    return str(max(planned, key=lambda event: float(event["time"]))["data_fingerprint"]) if planned else None


def device_of_trials(folder: RunFolder) -> PlannedDevice | None:
    """Return the device of the trial planned last, and whether its id holds ``cpu``; None if there are none."""
    events = _planned(folder)
    if not events:
        return None
    latest = max(events, key=lambda event: float(event["time"]))
    planned = planned_event(read_journal(folder.trial(latest["trial_id"]).journal).events)
    device = planned["config"].get("compute", {}).get("device", "auto")
    if device != "cpu":
        return PlannedDevice("cpu" if device == "auto" else device)
    config, version = TrialConfig.model_validate(planned["config"]), planned.get("results_version")
    with_cpu = trial_id(config, planned["data_fingerprint"], version or LAST_UNRECORDED_VERSION, cpu_in_ids=True)
    return PlannedDevice("cpu", cpu_in_ids=planned["trial_id"] == with_cpu)


def _planned(folder: RunFolder) -> list[Event]:
    return [state.history.planned for state in read_states(folder).values()]


def device_of_run(definition: StudyDefinition, folder: RunFolder, gpus: Callable[[], float]) -> PlannedDevice:
    """Return the device with which the study runs in a folder, which may hold trials already.

    Args:
        definition: the study.
        folder: of its run; it may not exist.
        gpus: tells how many GPUs there are; called only if it matters.
    """
    document = trained_plan(folder)
    before = recorded_device(document) if document else device_of_trials(folder)
    if before is None:
        return PlannedDevice(chosen_device(definition, gpus))
    kind = chosen_device(definition, gpus, before.kind)
    renewed = document is not None and document.get("results_version", LAST_UNRECORDED_VERSION) < RESULTS_VERSION
    return PlannedDevice(kind, cpu_in_ids=before.cpu_in_ids and kind == "cpu" and not renewed)


def _whole_study(folder: RunFolder) -> StudyDefinition:
    if _is_damaged(folder):
        raise UserError(f"{folder.definition} is damaged too")
    return read_study(folder.definition)


def _is_damaged(folder: RunFolder) -> bool:
    """Whether ``study.yaml`` was damaged by storage, not edited: empty, zeros, or truncated."""
    try:
        content = folder.definition.read_bytes()
    except FileNotFoundError:
        return True
    head, end = _HEAD.encode(), _END.strip().encode()
    cut = head.startswith(content) or (content.startswith(head) and end not in content)
    return cut or not content.strip() or b"\0" in content
