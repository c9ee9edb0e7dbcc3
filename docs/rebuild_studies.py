"""Rebuilds what the pages of published studies show, from the journals kept beside them.

``python docs/rebuild_studies.py`` reports every study that has a ``run.tar.gz``, and replaces the files of the report
that lie beside its page, the answer, and the sentence on the length of training; with names of studies, those alone.
``python docs/generate.py`` then writes tables, answers and sentences into the pages.
"""  # noqa: INP001 - a script beside the pages, no package

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from results.analysis.reported import read_results
from results.report.cautions import end_of_training
from study import Study

STUDIES = Path(__file__).resolve().parent / "studies"


def unpacked(folder: Path, target: Path) -> Path:
    """Unpack the run of a published study and return its run folder."""
    with tarfile.open(folder / "run.tar.gz") as tar:
        tar.extractall(target, filter="data")
    return target / folder.name


def how_long(run: Path) -> str:
    """Return whether the training of a run was long enough, as a sentence."""
    told = end_of_training(read_results(run / "tables"))
    return f"{told[0].upper()}{told[1:]}.\n"


def rebuild(folder: Path) -> None:
    """Report the run of a published study anew, and copy what its page shows."""
    with tempfile.TemporaryDirectory() as place:
        run = unpacked(folder, Path(place))
        files = Study(run).report()
        for shown in sorted(folder.iterdir()):
            if (run / "report" / shown.name).is_file():
                shutil.copy(run / "report" / shown.name, shown)
        (folder / "answer.txt").write_text(" ".join(files.answer) + "\n", encoding="utf-8")
        (folder / "training.txt").write_text(how_long(run), encoding="utf-8")


if __name__ == "__main__":
    named = sys.argv[1:] or sorted(path.parent.name for path in STUDIES.glob("*/run.tar.gz"))
    for name in named:
        rebuild(STUDIES / name)
        sys.stdout.write(f"{name}\n")
