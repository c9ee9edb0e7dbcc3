import re
import shutil

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from results.analysis.reported import Results
from results.report.markdown import bullets, code_block, escape, table
from results.report.opening import Origin, opening
from results.report.report import write_report
from results.report.sections import what_was_run
from results.tables.writing import write_tables

NASTY = [
    "<script>alert(1)</script>",
    "a | b",
    "*bold* _slanted_ `code` ~~gone~~ $x$",
    "[link](http://example.org) ![image](x.png) [a][b] [a]: http://example.org",
    "# heading",
    "1. one",
    "- item",
    "+ item",
    "---",
    "===",
    "back\\slash \\| &lt; &amp;",
    "two\nlines\r\nand\ttabs\x00",
    "[x] box",
    "12) twelve",
]


def text_of(markdown):
    """What a reader sees of a rendered document: all inline text, and nothing else may be in it."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    allowed = {"text", "softbreak"}
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= allowed, markdown
    return [token for token in tokens if token.type != "inline"], "".join(child.content for child in children)


def plain(text):
    return re.sub(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+", " ", text).strip()


@pytest.mark.parametrize("text", NASTY)
def test_escaped_text_is_shown_as_it_is(text):
    blocks, shown = text_of(escape(text))
    assert [block.type for block in blocks] == ["paragraph_open", "paragraph_close"]
    assert shown == plain(text)


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=25))
def test_any_escaped_text_is_shown_as_it_is(text):
    if not plain(text):
        return
    blocks, shown = text_of(escape(text))
    assert [block.type for block in blocks] == ["paragraph_open", "paragraph_close"]
    assert shown == plain(text)


def test_table_cells_and_bullets_stay_apart():
    blocks, shown = text_of(table(["a", "b"], [[text, "end"] for text in NASTY]))
    assert sum(block.type == "td_open" for block in blocks) == 2 * len(NASTY)
    assert shown == "ab" + "".join(plain(text) + "end" for text in NASTY)
    blocks, _ = text_of(bullets(NASTY))
    assert sum(block.type == "list_item_open" for block in blocks) == len(NASTY)
    assert sum(block.type == "bullet_list_open" for block in blocks) == 1


def test_code_cannot_end_its_block():
    lines = ["modstudy run 'a.yaml'", "```", "# not a heading", "````"]
    (token,) = MarkdownIt().parse(code_block(lines))
    assert token.type == "fence"
    assert token.content == "\n".join(lines) + "\n"


def tables_of(study):
    return {
        "trials": study.trials,
        "task_metrics": study.task_metrics,
        "storage": study.storage,
        "failures": study.failures,
    }


@pytest.fixture(scope="module")
def written(make_study, tmp_path_factory):
    """The files of the made-up study's report; drawing its figures takes seconds."""
    folder = tmp_path_factory.mktemp("written")
    write_tables(folder / "tables", tables_of(make_study()))
    commands = ("modstudy run my.yaml", "modstudy report runs/made-up")
    return write_report(
        folder / "tables", folder / "report", Origin("Where does modulation pay?", commands, ("F.",), ("N.",))
    )


def test_the_report_opens_with_the_answer_and_stays_short(written):
    text = written.report.read_text()
    title, description, answer, table_, *_ = text.split("\n\n")
    assert (title, description) == ("# Study made-up", "Where does modulation pay?")
    assert answer == escape(" ".join(written.answer))
    assert len(written.answer) == 3
    head = (
        "| arm | triplet accuracy (chance 0.500) | Recall@1 (chance 0.500) | worst task (chance 0.500) |"
        " added parameters |"
    )
    assert table_.startswith(head)
    assert "Cannot be told from the best arm, separate: late+network_per_task (moderated paired t tests" in text
    for words in ("![trade-off](tradeoff.png)", "- N.", "1 attempt of 1 trial failed", "modstudy run my.yaml"):
        assert words in text, words
    assert len(text.split("\n")) < 50


def test_the_details_say_what_they_must(written):
    text = written.details.read_text()
    for words in (
        "# Study made-up",
        "Tasks (7): smiling, mouth_open, glasses, hat, blond_hair, beard, male",
        "- F.",
        "4 tune and 3 confirm trials per arm, 5 epochs each",
        "training 0 in tuning and 1, 2, 3 in the reported results",
        "python 3.11.9, torch 2.13.0",
        "| arm | Recall@1 (chance 0.500) | worst task (chance 0.500) | MAP@R (chance 0.500) |",
        "| arm | learning_rate | triplet accuracy on validation images, averaged over queries | at the edge",
        "![trade-off](tradeoff.png)",
        "On the front, with their added parameters: shared (0), embedding+normal(0.9,0.7) (896), late (6,272)",
        "late beats shared by 0.091 [0.077, 0.106].",
        "late+network_per_task and separate cannot be told apart",
        "Student's t",
        "percentile bootstrap",
        "worker died \\| &lt;script&gt;",
        "modstudy run my.yaml",
        "res4 1,792, res5 3,584, fc 896",
        "chance level",
    ):
        assert words in text, words
    assert text.count("best_trial_per_arm") >= 4
    assert sorted(path.name for path in written.report.parent.iterdir()) == [
        "arms.png", "arms.svg", "details.md", "factors.png", "factors.svg", "gains.png", "gains.svg", "importance.png",
        "importance.svg", "performance.png", "performance.svg", "report.md", "storage.png", "storage.svg",
        "summary.csv", "task_map.png", "task_map.svg", "tasks.png", "tasks.svg", "tradeoff.png", "tradeoff.svg",
    ]  # fmt: skip
    csv = pd.read_csv(written.summary_csv)
    assert csv["triplet_accuracy_mean"].tolist() == written.summary["triplet_accuracy_mean"].tolist()


def test_report_before_any_confirm_trial(tmp_path, written, study):
    """An earlier report's figures must not stand beside a report without results."""
    shutil.copytree(written.report.parent, tmp_path / "report")
    begun = study.without(stage="confirm")
    write_tables(tmp_path, tables_of(begun) | {"failures": []})
    files = write_report(tmp_path, tmp_path / "report")
    text = files.report.read_text()
    assert files.figures == ()
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["details.md", "report.md", "summary.csv"]
    assert "There is no answer yet" in text
    assert "There are no confirm results to draw yet." in text
    details = files.details.read_text()
    assert "No attempt of any trial failed." in details
    assert "| late | 0.002 | 0.842 | - |" in details


def test_report_of_a_study_without_trials(tmp_path, study):
    empty = tables_of(study) | {name: [] for name in ("trials", "task_metrics", "failures")}
    write_tables(tmp_path, empty)
    assert "No trial was started." in write_report(tmp_path, tmp_path / "report").details.read_text()


def test_settings_that_differ_between_trials_are_not_shown_as_fixed(study):
    configs = study.trials["config"].copy()
    configs.iloc[3] = configs.iloc[3].replace('"schedule": "cosine"', '"schedule": "constant"')
    results = Results.of(tables_of(study) | {"trials": study.trials.assign(config=configs)})
    text = what_was_run(results.trials, results.summary, ())
    assert "Optimization: optimizer adam, epochs 5" in text


def test_report_needs_its_tables(tmp_path):
    with pytest.raises(ValueError, match="no such table; collect the study first"):
        write_report(tmp_path, tmp_path / "report")


def test_a_short_table_keeps_the_references(tmp_path, make_study, made_arm):
    arms = tuple(made_arm(f"arm {number}", ("fc",), 0.7 + 0.002 * number) for number in range(44))
    study = make_study((made_arm("shared", (), 0.6), *arms))
    table_ = opening(Results.of(tables_of(study)), (), Origin(), ()).split("\n\n")[1]
    assert "shared |" in table_.partition("\n")[0]  # the column of differences
    assert any(row.startswith("| shared |") for row in table_.split("\n"))
    assert len(table_.split("\n")) == 2 + 40 + 1
