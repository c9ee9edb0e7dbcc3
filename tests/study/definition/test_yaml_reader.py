"""What no study file holds is refused in one line, quickly, whatever it would grow to."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.definition.yaml_reader import DEEPEST, LARGEST_FILE, MOST_VALUES, read_yaml
from study.definition.yaml_writer import one_line, write_yaml
from study.errors import UserError

NEXT = dict(zip("abcdefgh", "bcdefghi", strict=True))
NINES = "\n".join(["a: &a [x, x, x]", *(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in NEXT.items())])
MERGES = "\n".join(["a: &a {x: 1}", *(f"{b}: &{b}\n  <<: [{', '.join([f'*{a}'] * 9)}]" for a, b in NEXT.items())])


def problem(text: str) -> str:
    with pytest.raises(UserError) as caught:
        read_yaml("x.yaml", text)
    message = str(caught.value)
    assert message.startswith("x.yaml: ")
    assert "\n" not in message
    assert len(message) < 300
    return message.removeprefix("x.yaml: ")


@pytest.mark.parametrize("text", [NINES, MERGES], ids=["aliases", "merge keys"])
def test_aliases_that_multiply_are_refused_before_they_take_memory_or_time(text: str) -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert f"more than {MOST_VALUES:,} values, including repetitions by aliases" in problem(text)
    assert time.monotonic() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 5000, "a: " + "[" * 5000 + "]" * 5000, "{a: " * 5000, "- " * 5000 + "x", "? " * 5000 + "x"],
)
def test_nesting_has_an_end(text: str) -> None:
    assert problem(text).endswith(f"nested too deeply; at most {DEEPEST} levels are read")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: " + "9" * 5000, "line 1, column 4: int of 5,000 characters; at most 100 are read"),
        ("a: 0x" + "f" * 5000, "line 1, column 4: int of 5,002 characters"),
        ("a: 1e" + "9" * 5000, "line 1, column 4: float of 5,002 characters"),
        ("a: 1" + ":59" * 3000, "line 1, column 4: int of 9,001 characters"),
        ("a: 2026-13-45", "line 1, column 4: '2026-13-45' is not a valid timestamp; put text that looks"),
        ("a: 2026-11-26 25:61:61", "is not a valid timestamp"),
        ("a: 0x_", "line 1, column 4: '0x_' is not a valid int; put text that looks like one in quotes"),
        ("a: !!int b", "'b' is not a valid int"),
        ("a: !!bool maybe", "'maybe' is not a valid bool"),
        ("a: !!timestamp x", "'x' is not a valid timestamp"),
        ("a: !!float x", "'x' is not a valid float"),
        ("a: " + "x" * 20_000, "line 1, column 4: a text of 20,000 characters; at most 10,000 are read"),
        ('a: "\\ud800"', "line 1, column 4: half a character (a surrogate) is not text"),
        ('a: "\\UFFFFFFFF"', "not YAML: a number in an escape or a directive is too large"),
        (f"%YAML 1.{'9' * 5000}\n--- a", "not YAML: a number in an escape or a directive is too large"),
        ("a: &a [*a]", "line 1, column 8: an alias (*name) is inside the value it names"),
        ("a: &a\n  <<: *a", "line 2, column 7: an alias (*name) is inside the value it names"),
        ("a: &a {b: *a}", "line 1, column 11: an alias (*name) is inside the value it names"),
        ("a: \0", "not YAML: "),
    ],
)
def test_a_value_that_is_none_is_named_in_one_line(text: str, expected: str) -> None:
    assert expected in problem(text)


def test_reading_ends_where_there_are_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.definition.yaml_reader.MOST_VALUES", 10_000)  # the real bound takes nine seconds
    start = time.monotonic()
    assert "more than 10,000 values" in problem("[" + "1," * (LARGEST_FILE // 2 - 2) + "]")
    assert time.monotonic() - start < 10  # of a file that takes more than a minute to the end


def test_aliases_and_merge_keys_of_usual_size_are_read() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\nd: 2026-11-26\ne: 0x1f\n"
    values = read_yaml("x.yaml", text)
    assert values["b"] == {"x": 1, "y": 3}
    assert values["c"] == [{"x": 1, "y": 2}] * 2
    assert (str(values["d"]), values["e"]) == ("2026-11-26", 31)


@pytest.mark.parametrize("bomb", [NINES, "a: " + "[" * 5000, "a: " + "9" * 5000], ids=["aliases", "nesting", "integer"])
def test_a_file_of_groupings_is_read_within_the_same_bounds(tmp_path: Path, bomb: str) -> None:
    (tmp_path / "groupings.yaml").write_text(bomb)
    (tmp_path / "study.yaml").write_text(
        "name: x\ndata: {source: {kind: generated}, tasks: [Smiling, Hat]}\n"
        "space: {blocks: [{placement: [none], grouping: [{groups: {file: groupings.yaml, name: g}}]}]}\n"
    )
    result = CliRunner().invoke(app, ["plan", str(tmp_path / "study.yaml")])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path / 'study.yaml'}: space.blocks[0].grouping[0].groups") or (
        result.stderr.startswith(f"error: {tmp_path / 'groupings.yaml'}: ")
    )
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    with file.open("wb") as handle:
        handle.truncate(10**12)
    result = CliRunner().invoke(app, ["plan", str(file)])
    assert result.exit_code == 2
    expected = "larger than 4,000,000 bytes, the largest size that is read; is it the right file?"
    assert result.stderr == f"error: {file}: {expected}\n"


@pytest.mark.parametrize(
    "word", ["1e3", "-1E-3", ".5e2", "7", "no", "~", "12:30", "010", "=", "<<", "2026-01-02", "a: #"]
)
def test_what_is_written_reads_back_as_the_same_words(word: str) -> None:
    assert read_yaml("x.yaml", write_yaml({word: [word]})) == {word: [word]}
    assert read_yaml("x.yaml", one_line([word])) == [word]
