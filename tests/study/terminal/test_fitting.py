"""Lines and tables on terminals of all widths."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from results.report.report import ReportFiles
from results.report.wording import format_summary
from study.commands.results import print_report
from study.terminal.display import Heading, print_table, say, unbroken, wrapped

WORDS = st.text("ab-_[]/:|$颜é😀", min_size=1, max_size=20)
LINES = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)


def terminal(width: int) -> Console:
    options = {"markup": False, "highlight": False, "emoji": False}
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, **options)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@given(LINES, st.integers(10, 120))
def test_a_line_breaks_between_words_alone(line: str, width: int) -> None:
    rows = wrapped(line, width)
    assert " ".join(rows).split() == line.split()
    assert all(cell_len(row) <= width for row in rows if " " in row)


def test_a_command_is_never_broken() -> None:
    console = terminal(30)
    say(console, f"nothing is running; resume with: {unbroken('modstudy run a-long-name.yaml --runs-dir x')}")
    assert printed(console)[-1] == "modstudy run a-long-name.yaml --runs-dir x"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS, LINES, WORDS), min_size=1, max_size=4), st.integers(10, 160), st.booleans())
def test_a_table_fits_and_breaks_no_word(rows: list[tuple[str, ...]], width: int, titled: bool) -> None:
    headings = [
        Heading("arm", numeric=False),
        Heading("added parameters"),
        Heading("what it is", numeric=False),
        Heading("spare", spare=1),
    ]
    console = terminal(width)
    shown = print_table(console, headings, rows, "a title of several words" if titled else None)
    assert {"arm", "added parameters", "what it is"} <= shown
    lines = printed(console)
    assert all(cell_len(line) <= width for line in lines if " " in line.strip().removeprefix("added parameters: "))
    words = " ".join(lines).split()
    for arm, added, text, _ in rows:
        for word in (arm, added, *text.split()):
            assert word in words


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_accuracy_and_added_parameters_are_always_shown_and_notes_speak_of_shown_columns(
    width: int, tmp_path: object
) -> None:
    arms = [
        "shared",
        "separate",
        "embedding+disjoint(0)-frozen",
        "late+a_grouping_of_a_very_long_name+network_per_task",
    ]
    names = (
        "triplet_accuracy_mean",
        "triplet_accuracy_low",
        "triplet_accuracy_high",
        "triplet_accuracy_worst_task_mean",
    )
    numbers = dict.fromkeys((*names, "on_front_probability", "added_share"), 0.654321)
    deltas = dict.fromkeys(("delta_shared_mean", "delta_shared_low", "delta_shared_high"), 0.1)
    row = {**numbers, **deltas, "added_parameters": 17_721_984, "bytes_fp32": 123_456, "seeds": "1,2,3"}
    summary = pd.DataFrame([{**row, "arm_id": arm, "arm": arm, "selection_rule": "the best one"} for arm in arms])
    console = terminal(width)
    print_report(console, ReportFiles(tmp_path / "report.md", tmp_path / "summary.csv", (), summary))
    lines = printed(console)
    text = " ".join(" ".join(lines).split())
    assert text.count("0.654 [0.654, 0.654]") == text.count("17,721,984") == len(arms)
    for arm in arms:
        assert arm in text.split()
    table = text[: text.index("Test split")]
    for column, note in (("against", "Against shared:"), ("front", "On front:")):
        assert (column in table) == (note in text), text
    assert ("against" in table) == (width >= 120)
    assert format_summary(summary)[0]["against shared"] == "+0.100 [+0.100, +0.100]"


def test_the_status_of_an_interrupted_run_is_a_table_on_80_columns() -> None:
    from study.commands.status import _HEADINGS

    row = ["embedding+disjoint(0)-frozen", "10/12", "0/5", "2", "2", "10", "12", "1", "0.8123"]
    console = terminal(80)
    shown = print_table(console, _HEADINGS, [row])
    assert {"arm", "tune", "confirm", "interrupted", "wait", "failed"} <= shown
    assert any("embedding+disjoint(0)-frozen" in line and "10/12" in line for line in printed(console))
