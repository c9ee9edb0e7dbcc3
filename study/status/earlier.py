"""Results in a run folder that this version would train again, and where they are kept in that case."""

from __future__ import annotations

from dataclasses import dataclass

from study.layout import RunFolder
from study.plan.device import recorded_device
from study.plan.document import LAST_UNRECORDED_VERSION, read_plan
from study.run_folder.ownership import trained_plan
from study.schedule.progress import read_progress
from trainables.config.identity import RESULTS_CHANGES, RESULTS_VERSION
from trainables.config.runtime import Device


@dataclass(frozen=True)
class EarlierResults:
    """Trials of a run folder that no longer count: how many ended or started, their version, and the reason."""

    ended: int
    begun: int
    results_version: int
    why: str

    @property
    def trials(self) -> str:
        """Say how many trials there are."""
        begun = f" and {self.begun} that were started" if self.begun else ""
        return f"{self.ended} trials that have ended{begun}"


def earlier_results(folder: RunFolder, fingerprint: str | None, device: Device | None = None) -> EarlierResults | None:
    """Return the trials of the folder's own plan where this program would train them all again, else None.

    Args:
        folder: holds the run, or nothing yet.
        fingerprint: of the study's data as it is read now; None if unavailable.
        device: that the study asks for now; None if that is not the question.
    """
    document = trained_plan(folder)
    if document is None:
        return None
    version, kind = int(document.get("results_version", LAST_UNRECORDED_VERSION)), recorded_device(document).kind
    why = []
    if version < RESULTS_VERSION:
        since = "; ".join(RESULTS_CHANGES[each] for each in range(version + 1, RESULTS_VERSION + 1))
        why.append(f"they are results of version {version}, and this is version {RESULTS_VERSION} ({since})")
    if fingerprint not in (None, document["data_fingerprint"]):
        why.append("the images or labels are not those they were trained on, or this version reads them differently")
    if device not in (None, kind):
        why.append(f"they were planned for the device {kind}, and the study now asks for {device}")
    if not why and version <= RESULTS_VERSION:
        return None
    trials = [trial for trial in read_progress(folder, read_plan(folder)).trials if trial.history is not None]
    if not trials:
        return None
    ended = sum(trial.is_done for trial in trials)
    return EarlierResults(ended, len(trials) - ended, version, ", and ".join(why))


def keep_aside(folder: RunFolder) -> None:
    """Move tables, report, study file and plan to ``earlier/<number>``; the journals stay where they are."""
    place = folder.next_earlier()
    place.mkdir(parents=True)
    for path in (folder.tables, folder.report, folder.definition, folder.plan):
        if path.exists():
            path.rename(place / path.name)
