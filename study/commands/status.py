"""``modstudy status``: what is done, running, waiting and failed, and why."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from study.commands.target import command_line, find_run
from study.display import Heading, duration, open_console, print_table, say
from study.progress import read_progress
from study.status import ArmStatus, FailedTrial, StudyStatus, study_status

_HEADINGS = [
    Heading("arm", numeric=False),
    Heading("tune"),
    Heading("confirm"),
    Heading("run"),
    Heading("paused"),
    Heading("wait"),
    Heading("failed"),
    Heading("validation"),
]


def show_status(given: Path, runs: Path, *, as_json: bool) -> None:
    """Print where a run stands.

    Raises:
        UserError: the study has not been run.
    """
    folder = find_run(given, runs).folder
    status = study_status(read_progress(folder), time.time())
    if as_json:
        print(json.dumps(asdict(status), indent=1))  # noqa: T201 - the output of the command
        return
    console = open_console()
    print_table(console, _HEADINGS, [_row(arm) for arm in status.arms], f"{status.name} ({folder.path})")
    for line in _lines(status, command_line("run", given, runs)):
        say(console, line)


def _row(arm: ArmStatus) -> list[str]:
    return [
        arm.name,
        f"{arm.tune_done}/{arm.tune_total}",
        f"{arm.confirm_done}/{arm.confirm_total}",
        *(str(number or "") for number in (arm.running, arm.paused, arm.waiting, arm.failed)),
        "" if arm.objective is None else f"{arm.objective:.4f}",
    ]


def _lines(status: StudyStatus, go_on: str) -> list[str]:
    lines = [f"{status.done} of {status.total} trials done, {status.finished_last_hour} finished in the last hour"]
    if status.seconds_left:
        lines[0] += f", about {duration(status.seconds_left)} of work left"
    for trial in status.running:
        quiet = "; its worker is probably gone" if trial.stalled else ""
        lines.append(
            f"running: {trial.arm} {trial.stage} {trial.index} ({trial.trial_id}): epoch {trial.epoch} of "
            f"{trial.epochs}, last line {duration(trial.age_s)} ago{quiet}"
        )
    lines += _failures(status)
    lines += [f"stuck: {arm.name}: {arm.problem}" for arm in status.arms if arm.problem]
    if status.torn_lines:
        lines.append(f"{status.torn_lines} torn journal lines skipped (a writer was killed there; nothing is missing)")
    if not status.complete and not any(not trial.stalled for trial in status.running):
        lines.append(f"nothing is running; go on with: {go_on}")
    return lines


def _failures(status: StudyStatus) -> list[str]:
    """Return a line for every failure; those that are one and the same share it."""
    equal: dict[str, list[FailedTrial]] = {}
    for failed in status.failed:
        equal.setdefault(f"{failed.signature}|{failed.final}", []).append(failed)
    lines = []
    for first, *others in equal.values():
        fate = "final" if first.final else "run tries it again"
        attempts = sum(failed.attempts for failed in (first, *others))
        who = f"{first.arm} {first.stage} ({first.trial_id})"
        if others:
            arms = len({failed.arm for failed in (first, *others)})
            who += f" and {len(others)} more in {arms} {'arm' if arms == 1 else 'arms'}"
        lines.append(f"failed: {who}: {first.kind} after {attempts} attempts, {fate}: {first.message}")
    return lines
