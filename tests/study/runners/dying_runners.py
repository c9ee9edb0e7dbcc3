"""Trial runners whose worker is killed, or ends by a fault of its own; the others are in ``orchestration_runners``."""

from __future__ import annotations

import ctypes
import json
import os
import signal
from pathlib import Path

from orchestration_runners import train

from trainables.outcome import EpochRecord, TrialOutcome


def be_killed(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Be killed from outside in every attempt, as by the kernel where a trial needs more memory than there is."""
    os.kill(os.getpid(), signal.SIGKILL)
    return train(config, workspace=workspace, **parts)


def be_killed_with_modulation(config, **parts) -> TrialOutcome:
    """Be killed in every attempt of arms with modulation."""
    return be_killed(config, **parts) if config.modulation.points else train(config, **parts)


def be_killed_once_an_epoch(config, *, report, **parts) -> TrialOutcome:
    """Be killed in arms with modulation whenever an epoch is done that is not the last."""

    def report_and_die(record: EpochRecord) -> None:
        report(record)
        if config.modulation.points and record.epoch < config.optimization.epochs:
            checkpoint = parts["workspace"] / "checkpoint.pt"
            checkpoint.write_text(json.dumps({"epoch": record.epoch}))
            os.kill(os.getpid(), signal.SIGKILL)

    return train(config, report=report_and_die, **parts)


def fault_with_modulation(config, **parts) -> TrialOutcome:
    """Read memory that is not the process's own, in every attempt of arms with modulation."""
    if config.modulation.points:
        ctypes.string_at(8)
    return train(config, **parts)
