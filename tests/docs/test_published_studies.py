"""The study files in docs/studies can be read, those that nobody has run yet included."""

from pathlib import Path

import pytest

from study.definition.loading import load_study

STUDIES = Path(__file__).parents[2] / "docs" / "studies"
FILES = sorted(path for path in STUDIES.rglob("*.yaml") if path.name != "affinity.yaml")


def test_there_are_study_files():
    assert len(FILES) >= 11


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(STUDIES)))
def test_a_published_study_file_is_valid(path):
    assert load_study(path).space.blocks
