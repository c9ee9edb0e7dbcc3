"""Packs the run of a published study for its folder, so that anybody can read, report and continue it.

``python docs/keep_study.py docs/studies/placement`` writes ``run.tar.gz`` there from ``runs/placement`` beside the
study file: definition, plan, rounds, provenance and journals, without weights, tables and reports. Where the data lay
on the machine that ran it is told by its last folders only.
"""  # noqa: INP001 - a script beside the pages, no package

from __future__ import annotations

import io
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

from study.journal.journal import sealed_line
from trainables.foundation.sealed_json import read_object

KEPT = ("study.yaml", "plan.json", "data.json", "rounds.jsonl", "provenance.jsonl", "trials/*/journal.jsonl")
_PATH = re.compile(r"(?:/[\w.-]+)+/(shared/data/[\w.-]+|affinity\.yaml)")


def keep(folder: Path) -> Path:
    """Write the archive of a study's folder and return its path."""
    run = folder / "runs" / folder.name
    archive = folder / "run.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=9) as tar:
        for path in sorted(found for pattern in KEPT for found in run.glob(pattern)):
            content = _without_places(path).encode()
            entry = tarfile.TarInfo(f"{folder.name}/{path.relative_to(run)}")
            entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
            tar.addfile(entry, io.BytesIO(content))
    return archive


def _without_places(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.name != "journal.jsonl":
        return _PATH.sub(r"\1", text)
    return "".join(sealed_line(_shortened(read_object(line.encode()))) for line in text.splitlines())


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return _PATH.sub(r"\1", value)
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(f"{keep(Path(name))}\n")
