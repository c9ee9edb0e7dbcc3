"""Writes the page of a run."""

from __future__ import annotations

from pathlib import Path

from results.analysis.reported import Results
from results.page.build import build_page
from results.page.origin import PageOrigin
from results.page.render import render_page
from results.tables.files import replacing

FILE = "report.html"


def write_page(results: Results, folder: Path, origin: PageOrigin | None = None) -> Path:
    """Write ``report.html`` into the folder of a report and return its path.

    Args:
        results: The tables of the run, and what is computed from them.
        folder: Created if missing.
        origin: Facts that are not in the tables.
    """
    html = render_page(build_page(results, origin or PageOrigin()))
    with replacing(folder / FILE) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return folder / FILE
