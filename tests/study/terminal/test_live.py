"""What a person sees of a run while it goes on: on terminals of several sizes, while they are resized, in a pipe."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from study.journal.index import read_states
from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.schedule.dispatch import Dispatcher
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of
from study.terminal import live_block
from study.terminal.display import open_console
from study.terminal.live import LiveProgress
from study.terminal.live_block import LiveDisplay

RUN = """
import json, sys, time
from pathlib import Path
from study.terminal import live, live_block
from study.terminal.display import open_console
from study.layout import RunFolder
from study.plan.document import read_plan
from study.schedule.dispatch import Dispatcher
from study.journal.index import read_states

live_block.REFRESH_S = live_block.LINE_EVERY_S = 0.1
folder = RunFolder(Path(sys.argv[1]))
with live.LiveProgress(open_console(), "MLflow: modstudy ui runs/tiny") as shown:
    dispatcher = Dispatcher(read_plan(folder), folder, read_states(folder))
    dispatcher.next_unit(), dispatcher.next_unit()
    shown.update(dispatcher.workload())
    while not (folder.path / "stop").exists():
        time.sleep(0.1)
print("after")
"""
"""The real display over the real dispatcher and journals, without workers."""

BLOCK = """
import logging, sys, time
from study.terminal.display import open_console, say
from study.terminal.live_block import LiveBlock, bar

console = open_console()
for number in range(8):
    say(console, f"before {number}")
with LiveBlock(console) as block:
    for step in range(int(sys.argv[1])):
        counts = f"{step} of 99 trials done"
        drawn = bar(console, step, 99, console.width - len(counts) - 2)
        trial = "running: a long name of an arm, tune 3, 1 of 8 epochs done, and what else there is to be said of it"
        block.show([f"{drawn} {counts}", trial, "MLflow: modstudy ui runs/tiny"])
        if step == 3:
            logging.warning("MLflow cannot be reached")
        time.sleep(0.1)
say(console, "after")
"""
"""The display alone, which is quick to start."""

LEFT = [*(f"before {number}" for number in range(8)), "WARNING:root:MLflow cannot be reached", "after"]
SIZES = [(80, 24), (120, 40), (40, 10)]


@pytest.fixture
def begun(plan: StudyPlan, folder: RunFolder, journaling: Any) -> RunFolder:
    """A run of which one trial is done and one of those at work next has done an epoch."""
    shared, separate, _ = (state.tune for _, state in progress_of(plan, {}, DrawnRounds()).arms)
    journaling.start(shared[0], epochs=2)
    journaling.end(shared[0])
    journaling.start(separate[0], epochs=1)
    return folder


def test_bar_count_arm_epoch_best_and_address_are_shown_at_any_size(
    begun: RunFolder, plan: StudyPlan, journaling: Any, open_terminal: Any
) -> None:
    terminal = open_terminal("-c", RUN, begun.path)
    terminal.wait_for("of 15 trials done")
    best = journaling.accuracy(progress_of(plan, {}, DrawnRounds()).arms[0][1].tune[0])
    for size in SIZES:
        terminal.resize(*size)
        terminal.read(1.0)
        terminal.wait_for("MLflow: modstudy ui runs/tiny")  # the last line: the block is drawn to its end
        shown = " ".join(terminal.shown.split())
        line = next(line for line in terminal.lines if "1 of 15 trials done" in line)
        drawn = line.split()[0]
        assert set(drawn) == {"━", "─"}
        assert abs(drawn.count("━") / len(drawn) - 1 / 15) <= 1 / len(drawn)  # the bar says what the count says
        assert "separate tune 0: 1 of 2 epochs done" in shown
        assert f"best so far: shared, {best:.4f} validation triplet accuracy" in shown
        assert "MLflow: modstudy ui runs/tiny" in shown
        assert " left" not in shown  # one trial has ended
        assert shown.count("trials done") == 1
    (begun.path / "stop").touch()
    assert terminal.wait() == 0
    assert terminal.shown == "after"


def test_what_is_no_terminal_gets_plain_lines_that_say_what_status_says(
    begun: RunFolder, plan: StudyPlan, open_terminal: Any
) -> None:
    from typer.testing import CliRunner

    from study.cli import app
    from study.definition.loading import dump_study

    begun.definition.write_text(dump_study(plan.definition))
    (begun.path / "stop").touch()
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", RUN, str(begun.path)]
    dumb = open_terminal("-c", RUN, begun.path, TERM="dumb", NO_COLOR="1")
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, timeout=120)  # noqa: S603
    document = json.loads(CliRunner().invoke(app, ["status", str(begun.path), "--json"]).output)
    trials = [arm["tune_done"] + arm["confirm_done"] for arm in document["arms"]]
    totals = [arm["tune_total"] + arm["confirm_total"] for arm in document["arms"]]
    first, *lines = done.stdout.splitlines()
    assert first == "MLflow: modstudy ui runs/tiny"  # a pipe gets plain lines
    others = [line for line in lines if not line.startswith("starting workers, ")]
    assert all(line.startswith(f"{sum(trials)} of {sum(totals)} trials done, ") for line in others[:-1])
    assert "\x1b" not in done.stdout
    assert dumb.wait() == 0
    assert b"\x1b" not in dumb.raw
    assert dumb.raw.decode().startswith(first)


def test_a_single_line_names_what_runs(begun: RunFolder, plan: StudyPlan) -> None:
    lines: list[str] = []
    dispatcher = Dispatcher(plan, begun, read_states(begun))
    dispatcher.next_unit(), dispatcher.next_unit()
    with LiveProgress(open_console(), line=lines.append) as shown:
        shown.update(dispatcher.workload())
    assert lines[-1].startswith("1 of 15 trials done, ")
    assert "; running: separate tune 0 (1 of 2 epochs); best so far: shared, " in lines[-1]


def test_lines_that_stay_become_rarer_the_longer_a_command_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    display = LiveDisplay(Console(file=io.StringIO()))
    assert display.every_s == 5
    later = time.monotonic() + 7200
    monkeypatch.setattr(live_block.time, "monotonic", lambda: later)
    assert display.every_s == pytest.approx(60, abs=1)
    assert LiveDisplay(Console(file=io.StringIO()), print).every_s == 1, "in one place, a line may be replaced often"


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_left_of_it_and_what_others_write_stays(size: tuple[int, int], open_terminal: Any) -> None:
    terminal = open_terminal("-c", BLOCK, 8, size=size)
    assert terminal.wait() == 0
    assert [line for line in terminal.lines if line] == LEFT
    assert max(map(len, terminal.lines)) <= size[0]
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")  # the cursor is back


@pytest.mark.parametrize("sizes", [[(40, 24), (120, 24)], [(79, 24), (60, 24), (80, 30)]])
def test_a_resized_window_leaves_no_debris(sizes: list[tuple[int, int]], open_terminal: Any) -> None:
    terminal = open_terminal("-c", BLOCK, 5 * len(sizes) + 15)
    terminal.wait_for("cannot be reached")
    for size in sizes:
        terminal.resize(*size)
        terminal.read(0.4)
        assert terminal.shown.count("MLflow: modstudy") == terminal.shown.count("trials done") == 1, terminal.shown
    assert terminal.wait() == 0
    assert not [line for line in terminal.lines if line and line not in LEFT]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux, which breaks lines anew when resized, is not here")
def test_a_terminal_that_breaks_lines_anew_keeps_no_debris(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(BLOCK)
    root = Path(__file__).resolve().parents[3]
    command = f"{sys.executable} {script} 60; sleep 60"

    def tmux(*arguments: str) -> str:
        whole = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null", *arguments]
        return subprocess.run(whole, capture_output=True, text=True, check=True, timeout=20).stdout  # noqa: S603

    tmux("new-session", "-d", "-x", "100", "-y", "20", "env", f"PYTHONPATH={root}", "sh", "-c", command)
    try:
        wait_until(lambda: "cannot be reached" in tmux("capture-pane", "-p"))
        for size in ((60, 20), (45, 14), (100, 20)):
            tmux("resize-window", "-x", str(size[0]), "-y", str(size[1]))
            time.sleep(0.7)
            seen = tmux("capture-pane", "-p", "-S", "-")
            assert seen.count("trials done") == seen.count("MLflow: modstudy") == 1, seen
        wait_until(lambda: "after" in tmux("capture-pane", "-p"))
        seen = tmux("capture-pane", "-p", "-J", "-S", "-")
        assert [line.rstrip() for line in seen.splitlines() if line.strip()] == LEFT
    finally:
        tmux("kill-server")


def wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.1)
