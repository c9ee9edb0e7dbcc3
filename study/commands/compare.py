"""``modstudy compare``: two arms of a study, or several studies on the tasks they share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from results.analysis.comparison.studies import StudiesComparison
from results.page.comparison.build import write_comparison
from results.report.comparison import Shown, comparison_markdown, shown_arms, shown_studies
from results.tables.files import replacing
from study.errors import UserError
from study.study import Study
from study.terminal.display import Heading, open_console, print_table, say

_PAGE, _MARKDOWN = ".html", ".md"


def compare(given: Sequence[Path], runs: Path, arms: tuple[str, str] | None, out: Path | None) -> None:
    """Print a comparison, and write it as Markdown or as an HTML page if asked to.

    Raises:
        UserError: a study has not been run or has no results, an arm is unknown, there is nothing to compare, or
            ``out`` has another ending.
    """
    _check_out(out, two_arms=arms is not None)
    studies = [Study(path, runs=runs) for path in given]
    found: StudiesComparison | None = None
    if arms is not None:
        parts = [shown_arms(study.definition.name, study.compare(*arms)) for study in studies]
    else:
        found = studies[0].beside(*studies[1:])
        parts = list(shown_studies(found))
    console = open_console()
    for part in parts:
        _print(console, part)
    if out is not None:
        if found is not None and out.suffix == _PAGE:
            write_comparison(found, out)
        else:
            _write(out, comparison_markdown(parts))
        say(console, f"comparison: {out}")


def _check_out(out: Path | None, *, two_arms: bool) -> None:
    """Refuse a file of another kind, before anything is computed."""
    if out is None or out.suffix == _MARKDOWN or (out.suffix == _PAGE and not two_arms):
        return
    if out.suffix == _PAGE:
        raise UserError(f"--out {out}: two arms are compared in Markdown; give a name that ends in .md")
    raise UserError(f"--out {out}: a comparison is written as a page or as Markdown; end the name in .html or .md")


def _write(out: Path, text: str) -> None:
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _print(console: Console, part: Shown) -> None:
    headings = [Heading(name, numeric=place > 0) for place, name in enumerate(part.header)]
    if part.rows:
        print_table(console, headings, [list(row) for row in part.rows], part.title)
    else:
        say(console, f"{part.title}: nothing")
    for note in part.notes:
        say(console, note)
