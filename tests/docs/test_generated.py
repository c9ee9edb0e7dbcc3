"""The generated parts of the pages are those the code would write today."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import yaml

from study.definition.loading import load_study
from study.errors import UserError


def test_committed_pages_equal_the_generators_output(generator: ModuleType):
    stale = [path.name for path, text in generator.pages().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run: python docs/generate.py ({stale})"


def test_every_generated_part_is_shown_somewhere(generator: ModuleType):
    text = "".join(path.read_text(encoding="utf-8") for path in generator.pages())
    assert [name for name in generator.BLOCKS if f"<!-- generated: {name} -->" not in text] == []


@pytest.mark.parametrize("key", ["evaluation.splits", "evaluation.rung_metric", "compute.threads"])
def test_keys_set_by_the_study_are_refused_in_a_file(generator: ModuleType, key: str, tmp_path: Path):
    assert key in generator.SET_BY_THE_STUDY
    section, name = key.split(".")
    value = {"splits": ["test"], "rung_metric": "recall_at_1", "threads": 2}[name]
    study = {"name": "x", "data": {"tasks": ["Hat"]}, section: {name: value}}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    with pytest.raises(UserError, match=key):
        load_study(tmp_path / "x.yaml")
