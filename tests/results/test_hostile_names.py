"""A report of a study whose tasks, arms, failures and hosts have names as enemies choose them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from results.plain_text import visible
from results.report.figures import FIGURES
from results.report.markdown import bullets, code_block, escape, table
from results.report.opening import Origin
from results.report.report import write_report
from results.tables.store import read_table
from results.tables.writing import write_tables

TASK_NAMES = [
    "price=$$",
    "a | b `c` **d** __e__",
    "<script>alert(1)</script>",
    "[x](http://evil.example) https://evil.example www.evil.example",
    "# one\n- two\n===\n1. three",
    "\x1b[31mred\x1b[0m \u202eabc\u202c",
    "_a_ ~~b~~ ![c](d) &lt; \\",
]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def shown(text: str) -> str:
    """What a reader shall see of text: control characters and line ends are spaces, the invisible is escaped."""
    return visible(re.sub(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+", " ", text).strip())


def rendered(markdown: str) -> tuple[list[str], str]:
    """Return the kinds of block, and all text; anything in a line but text is a failure."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= {"text"}, markdown
    return [token.type for token in tokens], "".join(child.content for child in children)


@given(ANY_TEXT)
def test_any_text_is_shown_as_it_is_in_markdown(text: str) -> None:
    wanted = shown(text)
    if not wanted:
        return
    assert rendered(escape(text)) == (["paragraph_open", "inline", "paragraph_close"], wanted)
    kinds, seen = rendered(bullets([text, text]))
    assert (kinds.count("list_item_open"), seen) == (2, wanted * 2)
    kinds, seen = rendered(table(["head", text], [[text, "end"]]))
    assert (kinds.count("td_open"), seen) == (2, f"head{wanted}{wanted}end")
    (token,) = MarkdownIt().parse(code_block([text]))
    assert (token.type, token.content) == ("fence", visible(text) + "\n")


def test_an_address_in_a_name_is_no_link() -> None:
    assert escape("http://a.example ftp://b www.c.example") == "http\\://a.example ftp\\://b www\\.c.example"


def hostile(frame: pd.DataFrame, tasks: dict[str, str]) -> pd.DataFrame:
    columns = {"task": tasks, "arm": {"late": "late+\x1b[5m|<b>$$"}, "host": {"node-7": "[link](x)\n# node"}}
    changed = {
        name: frame[name].map(lambda old, new=new: new.get(old, old)) for name, new in columns.items() if name in frame
    }
    return frame.assign(**changed)


def test_a_report_shows_names_as_they_are_and_the_tables_keep_them(tmp_path: Path, study) -> None:
    tasks = dict(zip(study.task_metrics["task"].unique(), TASK_NAMES, strict=True))
    made = replace(
        study,
        trials=hostile(study.trials, tasks),
        task_metrics=hostile(study.task_metrics, tasks),
        storage=hostile(study.storage, tasks),
        failures=hostile(study.failures, tasks).assign(message="\x1b]0;title\x07 <img src=x onerror=y>\n\n# heading"),
    )
    write_tables(
        tmp_path / "tables", {name: getattr(made, name) for name in ("trials", "task_metrics", "storage", "failures")}
    )
    files = write_report(tmp_path / "tables", tmp_path / "report", Origin("*What* <b>pays</b>?\n\n---"))
    texts = [path.read_text(encoding="utf-8") for path in (files.report, files.details)]
    for text in texts:
        assert all(line.isprintable() for line in text.split("\n"))
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
        children = [child for token in tokens for child in token.children or ()]
        own = {"em_open", "em_close", "strong_open", "strong_close", "image", "link_open", "link_close"}
        assert {child.type for child in children} <= {"text", *own}
        images = {child.attrs["src"] for child in children if child.type == "image"}
        assert {"tradeoff.png", "tasks.png"} <= images <= {f"{name}.png" for name in FIGURES}
        links = {child.attrs["href"] for child in children if child.type == "link_open"}
        assert links == {"report.md" if text is texts[1] else "details.md"}
        assert not [token for token in tokens if token.type in ("html_block", "hr", "lheading")]
    seen = "\n".join(token.content for token in tokens if token.type == "inline" for token in token.children or ())
    for name in TASK_NAMES:
        assert shown(name) in seen
    assert set(read_table(tmp_path / "tables", "task_metrics")["task"]) == set(TASK_NAMES)
    assert pd.read_csv(files.summary_csv)["arm"].tolist() == files.summary["arm"].tolist()
    assert "late+\x1b[5m|<b>$$" in files.summary["arm"].tolist()
