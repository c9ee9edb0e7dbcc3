"""Reading a run needs no sampler: neither Optuna nor the code that draws is loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from study.layout import RunFolder
from study.plan.plan import StudyPlan

READ = """
import sys
from pathlib import Path
from study.commands.status import show_status

folder = Path({folder!r})
show_status(folder, folder.parent, as_json=False)
assert "scipy" not in sys.modules, "status loads SciPy"
from study.commands.results import collect_run, report_run
collect_run(folder, folder.parent)
report_run(folder, folder.parent)
loaded = {{"optuna", "study.schedule.sampling.sampler"}} & sys.modules.keys()
assert not loaded, loaded
"""


def test_status_tables_and_report_load_no_sampler(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    journaling.play(plan)
    program = READ.format(folder=str(folder.path))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr
    assert "15 of 15 trials done" in ended.stdout
