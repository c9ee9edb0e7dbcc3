"""Redraws the trade-off figure of every completed study from the ``summary.csv`` beside its page.

``python docs/draw_studies.py`` writes ``docs/studies/*/tradeoff.png``; with names of studies, those alone. The band of
the front needs the runs, which are not kept, so the figures are without it.
"""  # noqa: INP001 - a script beside the pages, no package

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from generate_study import reported

from results.analysis.tradeoff import tradeoff_points
from results.figures.canvas import Caption, save_figure
from results.figures.tradeoff import tradeoff_figure
from results.report.captions.of_study import summary_basis
from results.report.captions.record import caption_line
from results.tables.metrics import HEADLINE_METRICS

STUDIES = Path(__file__).resolve().parent / "studies"
_CHANCE = 0.5
"""Of triplet accuracy, on any task: the two other images of a triplet are equally likely to be the closer one."""


def draw(folder: Path) -> Path:
    """Write the figure of one study and return its path."""
    summary = reported(folder)
    tasks = len(yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))["data"]["tasks"])
    basis = summary_basis(summary, _CHANCE, tasks)
    reading = (
        "Line: the front, without its band, which needs the runs. Square: shared; diamond: separate. Arms of nearly"
        " equal cost are drawn side by side; the grey band at the left is zero throughout."
    )
    note = f"Study {summary['study'].iloc[0]} · {caption_line(basis)}\n{reading}"
    figure = tradeoff_figure(
        tradeoff_points(summary, HEADLINE_METRICS[0]),
        Caption("Test triplet accuracy against added parameters", note),
        "triplet accuracy on test images, mean over tasks",
    )
    save_figure(figure, folder / "tradeoff.png")
    return folder / "tradeoff.png"


if __name__ == "__main__":
    named = sys.argv[1:] or sorted(path.parent.name for path in STUDIES.glob("*/summary.csv"))
    for name in named:
        sys.stdout.write(f"{draw(STUDIES / name)}\n")
