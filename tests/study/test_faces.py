"""The packages' public names load what they need when they are used, and commands load no more than that."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from study.layout import RunFolder

HEAVY = ("torch", "ray", "mlflow", "pandas", "matplotlib", "optuna")


def loaded(code: str, folder: Path) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after the code."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(  # noqa: S603 - the code is this file's
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=folder, env=environment
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def command(*arguments: str) -> str:
    return f"from typer.testing import CliRunner\nfrom study.cli import app\nCliRunner().invoke(app, {list(arguments)})"


@pytest.mark.parametrize("package", ["study", "trainables", "results", "search_spaces"])
def test_every_public_name_is_there(package: str):
    face = importlib.import_module(package)
    assert face.__all__
    for name in face.__all__:
        assert getattr(face, name).__doc__ or name.isupper(), name


def test_importing_the_packages_loads_nothing_heavy(tmp_path: Path):
    assert not loaded("import study, trainables, results", tmp_path) & {*HEAVY, "pydantic", "numpy"}


def test_help_loads_nothing_heavy(tmp_path: Path):
    assert not loaded(command("--help"), tmp_path) & {*HEAVY, "pydantic", "numpy"}


def test_a_plan_loads_neither_the_compiler_of_torch_nor_what_it_does_not_need(tmp_path: Path):
    found = loaded(command("plan", "smoke"), tmp_path)
    assert "torch" in found
    assert not found & {"torch._dynamo", "sympy", "ray", "mlflow", "pandas", "matplotlib", "optuna"}


def test_a_status_loads_neither_torch_nor_ray(tmp_path: Path, folder: RunFolder):
    found = loaded(command("status", str(folder.path)), tmp_path)
    assert "pydantic" in found
    assert not found & {"torch", "sympy", "ray", "mlflow", "matplotlib"}
