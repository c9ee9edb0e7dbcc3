"""The examples in the docstrings of public names run. A process of its own: some examples register names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import doctest, importlib, inspect, sys

runner, finder = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS), doctest.DocTestFinder(exclude_empty=True)
for package in ("study", "trainables", "results"):
    face = importlib.import_module(package)
    for name in face.__all__:
        found = getattr(face, name)
        if not (inspect.isclass(found) or inspect.isfunction(found)):
            continue
        module = sys.modules[found.__module__]
        examples = [test for test in finder.find(found, name, module=module) if test.examples]
        assert examples, f"{package}.{name} has no example"
        for test in examples:
            runner.run(test)
sys.exit(runner.summarize().failed)
"""


def test_examples_of_public_names_run(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MODSTUDY_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(  # noqa: S603 - the code is this file's
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
