"""``modstudy status``: what is done, running, waiting and failed, and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from results.report.wording import size, span
from study.status.status import ArmStatus, FailedTrial, RunningTrial, StudyStatus
from study.study import Study
from study.terminal.display import Heading, duration, open_console, print_table, say, unbroken

_ALWAYS_SHOWN = ("arm", "tune", "confirm", "wait")
_HEADINGS = [
    Heading("arm", numeric=False),
    Heading("tune"),
    Heading("confirm"),
    Heading("run", spare=3),  # those trials are listed below the table
    Heading("interrupted"),
    Heading("paused", spare=2),
    Heading("wait"),
    Heading("failed"),
    Heading("validation", spare=1),
]


def show_status(given: Path, runs: Path, *, as_json: bool) -> None:
    """Print the status of a run.

    Raises:
        UserError: the study has not been run.
    """
    study = Study(given, runs=runs)
    status = study.status()
    if as_json:
        print(json.dumps(asdict(status), indent=1))  # noqa: T201 - the output of the command
        return
    console = open_console()
    headings, rows = _without_empty([_row(arm) for arm in status.arms])
    print_table(console, headings, rows, f"{status.name} ({study.target.folder.shown})")
    for line in (*_lines(status, study.target.command("run")), *status.notes):
        say(console, line)


def _without_empty(rows: list[list[str]]) -> tuple[list[Heading], list[list[str]]]:
    """Omit states without trials to leave room for the others."""
    kept = [
        index
        for index, heading in enumerate(_HEADINGS)
        if heading.text in _ALWAYS_SHOWN or any(row[index] for row in rows)
    ]
    return [_HEADINGS[index] for index in kept], [[row[index] for index in kept] for row in rows]


def _row(arm: ArmStatus) -> list[str]:
    return [
        arm.name,
        f"{arm.tune_done}/{arm.tune_total}",
        f"{arm.confirm_done}/{arm.confirm_total}",
        *(str(number or "") for number in (arm.running, arm.interrupted, arm.paused, arm.waiting, arm.failed)),
        "" if arm.objective is None else f"{arm.objective:.4f}",
    ]


def _lines(status: StudyStatus, go_on: str) -> list[str]:
    lines = [f"{status.done} of {status.total} trials done, {status.done_last_hour} of them in the last hour"]
    if status.seconds_left:
        lines[0] += f", about {duration(status.seconds_left)} of work left"
    if status.to_propose:
        lines.append(f"{status.to_propose} trials wait until the sampler proposes them, from the results of this round")
    if any(arm.objective is not None for arm in status.arms):
        lines.append(f"validation: the highest {status.objective} of each arm's tune trials")
    for trial in status.running:
        quiet = "; its worker has probably died" if trial.stalled else ""
        lines.append(f"running: {_where(trial)}, last line {duration(trial.age_s)} ago{quiet}")
    lines += [f"interrupted: {_where(trial)}; the run resumes from there" for trial in status.interrupted]
    lines += _failures(status)
    lines += [f"stuck: {arm.name}: {arm.problem}" for arm in status.arms if arm.problem]
    if (space := status.space) and (space.used_bytes or space.needed_bytes):
        more = f", up to {size(space.needed_bytes)} to come" if not status.complete else ""
        lines.append(f"disk: {size(space.used_bytes)} of weights and checkpoints{more}, {size(space.free_bytes)} free")
    if status.torn_lines:
        lines.append(f"{status.torn_lines} journal lines skipped: their writer was killed, or storage lost data")
    if status.behind:
        lines.append(f"{status.behind} finished trials have lost epochs from their journals; run restores them")
    if not status.complete and not any(not trial.stalled for trial in status.running):
        lines.append(f"nothing is running; resume with: {unbroken(go_on)}")
    return lines


def _where(trial: RunningTrial) -> str:
    name = f"{trial.arm} {trial.stage} {trial.index} ({trial.trial_id})"
    return f"{name}: {trial.epoch} of {trial.epochs} epochs done"


def _failures(status: StudyStatus) -> list[str]:
    """Return a line for every failure; identical ones share it."""
    equal: dict[str, list[FailedTrial]] = {}
    for failed in status.failed:
        equal.setdefault(f"{failed.signature}|{failed.final}", []).append(failed)
    lines = []
    for first, *others in equal.values():
        fate = "final" if first.final else "run retries it"
        each = span(failed.attempts for failed in (first, *others))
        tries = f"{each} attempt{'' if each == '1' else 's'}" + (" each" if others else "")
        who = f"{first.arm} {first.stage} ({first.trial_id})"
        if others:
            arms = len({failed.arm for failed in (first, *others)})
            who += f" and {len(others)} more in {arms} {'arm' if arms == 1 else 'arms'}"
        lines.append(f"failed: {who}: {first.kind} after {tries}, {fate}: {first.message}")
    return lines
