"""The generator of the pages, and a run made by the real parts without a cluster."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from study.collect.collect import collect
from study.definition.loading import dump_study, load_study
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import compile_plan
from study.schedule.dispatch import Dispatcher
from study.tune.execution import WorkOrder, execute

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """``docs/generate.py``, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)  # as for a script, which finds those beside it
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_study: Any) -> RunFolder:
    """A finished study of three arms in ``runs/tiny``, its units executed here one after the other."""
    home = tmp_path_factory.mktemp("docs")
    (home / "tiny.yaml").write_text(yaml.safe_dump(tiny_study(compute={"device": "cpu"})), encoding="utf-8")
    definition = load_study(home / "tiny.yaml")
    folder = RunFolder(home / "runs" / "tiny")
    plan = compile_plan(definition)
    write_plan(plan, folder)
    folder.definition.write_text(dump_study(definition), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODSTUDY_CACHE", str(home / "cache"))
        dispatcher = Dispatcher(plan, folder, {})
        while unit := dispatcher.next_unit():
            planned = unit.trial.planned_event("tiny")
            execute(WorkOrder(str(folder.path), planned, unit.until_epoch, "triplet_accuracy", "query"))
            dispatcher.ended(unit, crashed=False)
    collect(folder)
    return folder
