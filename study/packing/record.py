"""What the probes of a run have found, kept in its folder as ``packing.json``: measured once, used by later runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from study.layout import RunFolder
from study.packing.choice import choose
from study.packing.measurement import Packing
from study.packing.probe import Probe
from trainables.foundation.files import write_text_atomically

_LOG = logging.getLogger(__name__)

_FORMAT = 1

UNMEASURED = 4
"""Trials that share an accelerator, if they fit, where they are too short to repay measuring how many it should be."""


@with_config(ConfigDict(strict=True, extra="forbid"))
@dataclass(frozen=True)
class ProbedArm:
    """The probe of one arm on one type of accelerator.

    Attributes:
        arm_id: of the arm.
        arm: its name.
        accelerator: type, as Ray calls it (``H100``; ``GPU`` where it knows none).
        shape: ``cost_shape`` of the trial that was probed; another one asks for another probe.
        probed: name of the arm that took the steps: this one, or one of like cost.
        host: of the probe.
        time: of its end, in unix seconds.
        probe: what it measured.
    """

    arm_id: str
    arm: str
    accelerator: str
    shape: str
    probed: str
    host: str
    time: float
    probe: Probe

    def packing(self, modes: Collection[bool] = (False, True), most: int | None = None) -> Packing | None:
        """Return how the arm's trials share such an accelerator; None if nothing was measured.

        Args:
            modes: allowed values of ``mps``.
            most: trials that may share one; None takes the limit of the probe.
        """
        limits = self.probe.limits if most is None else replace(self.probe.limits, processes=most)
        best = choose(self.probe.measurements, limits, modes)
        if best is None or not self.probe.cut_short:
            return best
        fitting = (n for n in range(UNMEASURED, best.processes, -1) if limits.holds(n, best.bytes_per_process))
        return replace(best, processes=next(fitting, best.processes))

    def covers(self, most: int) -> bool:
        """Return whether a probe of up to so many processes would find no more."""
        limit = self.probe.limits.processes
        tried = max((each.processes for each in self.probe.measurements), default=0)
        return most <= limit or tried < limit


@with_config(ConfigDict(strict=True, extra="forbid"))
@dataclass(frozen=True)
class _Document:
    format: int
    arms: list[ProbedArm]


_DOCUMENT = TypeAdapter(_Document)


class PackingRecord:
    """The probed arms of a run folder. Only the driver, which holds the folder's lock, adds to it."""

    def __init__(self, folder: RunFolder, probed: Iterable[ProbedArm] = ()) -> None:
        self._folder = folder
        self._probed = {(each.arm_id, each.accelerator): each for each in probed}

    @property
    def probed(self) -> tuple[ProbedArm, ...]:
        """Everything that is known, in the order it was found."""
        return tuple(self._probed.values())

    @property
    def accelerators(self) -> tuple[str, ...]:
        """The types of accelerators that were probed."""
        return tuple(dict.fromkeys(each.accelerator for each in self.probed))

    def find(self, arm_id: str, accelerator: str, shape: str) -> ProbedArm | None:
        """Return the probe of an arm, if its trials cost now what they did then."""
        found = self._probed.get((arm_id, accelerator))
        return found if found is not None and found.shape == shape else None

    def of_shape(self, accelerator: str, shape: str) -> ProbedArm | None:
        """Return the probe of any arm of like cost."""
        return next((each for each in self.probed if (each.accelerator, each.shape) == (accelerator, shape)), None)

    def add(self, probed: ProbedArm) -> None:
        """Add the probe of an arm, in place of an older one, and write the record."""
        self._probed[probed.arm_id, probed.accelerator] = probed
        document = {"format": _FORMAT, "arms": [asdict(each) for each in self.probed]}
        write_text_atomically(self._folder.packing, json.dumps(document, indent=1) + "\n")


def read_packing(folder: RunFolder) -> PackingRecord:
    """Return the record of a run; empty where there is none, or where it is damaged or of another format."""
    try:
        return PackingRecord(folder, _read(folder))
    except (OSError, ValueError, RecursionError):
        return PackingRecord(folder)


def recover_packing(folder: RunFolder) -> PackingRecord:
    """Return the record of a run to add to; a file that cannot be read is set aside, and its arms are probed again."""
    try:
        return PackingRecord(folder, _read(folder))
    except FileNotFoundError:
        pass
    except (ValueError, RecursionError) as error:
        aside = folder.packing.with_name(f"{folder.packing.name}.unreadable")
        folder.packing.replace(aside)
        _LOG.warning("%s: not a record of probes (%s); kept as %s", folder.packing, _reason(error), aside.name)
    return PackingRecord(folder)


def _read(folder: RunFolder) -> list[ProbedArm]:
    document = _DOCUMENT.validate_json(folder.packing.read_bytes())
    if document.format != _FORMAT:
        raise ValueError(f"format {document.format}, not {_FORMAT}")
    return document.arms


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return str(error)
