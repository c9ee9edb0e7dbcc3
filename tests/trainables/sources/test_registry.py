"""A source from outside the packages is one class and one registration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import Field

from study.definition.loading import dump_study, load_study
from study.errors import UserError
from study.plan.cost import image_bytes
from trainables.config.data import DataConfig
from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.sources.registry import SOURCES, detect_source, register_source, source_section
from trainables.sources.source import ImageSource, SourceConfig


class Stripes(SourceConfig):
    """Pictures of one grey value, which is also their class."""

    kind: Literal["stripes"] = "stripes"
    images: int = Field(6, ge=1)
    folder: Path | None = None

    def open(self, request):
        return StripesSource(request, self.images)

    def count_images(self):
        return 3 * self.images

    def known_tasks(self):
        return ("grey",)


class StripesSource(ImageSource):
    def __init__(self, request, images):
        self._size, self._images, self._tasks = request.image_size, images, request.tasks

    def identity(self):
        return {"kind": "stripes", "size": self._size, "images": self._images}

    def classes(self):
        return dict.fromkeys(self._tasks, ("dark", "light"))

    def labels(self, split):  # noqa: ARG002
        return np.tile(np.arange(self._images) % 2, (len(self._tasks), 1)).T

    def images(self, split):  # noqa: ARG002
        for row in range(self._images):
            yield np.full((self._size, self._size, 3), 200 * (row % 2), dtype=np.uint8)


@pytest.fixture
def registered():
    register_source(Stripes)
    yield
    del SOURCES["stripes"]


STUDY = (
    "name: x\n"
    "data: {source: {kind: stripes, images: 4, folder: here}, tasks: [grey], image_size: 8, max_duplicate_share: 1}\n"
)


def test_a_registered_source_is_used_like_the_built_in_ones(registered, tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    definition = load_study(tmp_path / "study.yaml")
    assert isinstance(definition.data.source, Stripes)
    assert definition.data.source.folder == tmp_path / "here"  # relative to the study file
    assert image_bytes(definition) == 12 * 8 * 8 * 3
    dataset = prepare_dataset(definition.data, 0, tmp_path / "cache")
    assert dataset.splits["test"].images[:, 0, 0, 0].tolist() == [0, 200, 0, 200]
    config = TrialConfig(data=definition.data)
    assert TrialConfig.model_validate(config.model_dump(mode="json")) == config
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
    (tmp_path / "again.yaml").write_text(dump_study(definition))
    assert load_study(tmp_path / "again.yaml") == definition


def test_its_keys_are_checked_and_named(registered, tmp_path):
    path = tmp_path / "study.yaml"
    for old, new, problem in (
        ("images: 4", "imags: 4", r"data\.source\.imags: unknown key; did you mean 'images'"),
        ("images: 4", "images: 0", r"data\.source\.images: should be greater than or equal to 1, got 0"),
        ("stripes", "stripe", r"data\.source\.kind: unknown value 'stripe'; did you mean 'stripes'"),
    ):
        path.write_text(STUDY.replace(old, new))
        with pytest.raises(UserError, match=problem):
            load_study(path)


def test_an_unregistered_kind_is_unknown(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    with pytest.raises(UserError, match=r"data\.source\.kind: unknown value 'stripes'; known: celeba, generated"):
        load_study(tmp_path / "study.yaml")


def test_a_kind_cannot_be_taken_twice(registered):
    register_source(Stripes)

    class Others(Stripes):
        pass

    with pytest.raises(ValueError, match="'stripes' is registered already"):
        register_source(Others)


def test_an_installed_package_brings_its_source_by_entry_point(tmp_path, monkeypatch):
    module = """
from trainables.sources.source import SourceConfig

class Dots(SourceConfig):
    kind: str = "dots"

    def open(self, request): ...

    def count_images(self): return 0

    def known_tasks(self): return ()

    @classmethod
    def detect(cls, folder):
        return cls() if (folder / "dots.bin").exists() else None
"""
    (tmp_path / "dots_of_somebody.py").write_text(module)
    info = tmp_path / "dots_of_somebody-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dots-of-somebody\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[modstudy.sources]\ndots = dots_of_somebody:Dots\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "dots.bin").touch()
        assert detect_source(tmp_path / "data").kind == "dots"
        assert source_section("dots").__name__ == "Dots"
    finally:
        SOURCES.pop("dots", None)
        sys.modules.pop("dots_of_somebody", None)


def test_nested_keys_of_a_table_are_named(tmp_path):
    text = "name: x\ndata: {source: {kind: table, path: a.csv, labels: {b: {kind: ordinl}}}, tasks: [b]}\n"
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(
        UserError, match=r"data\.source\.labels\.b\.kind: unknown value 'ordinl'; did you mean 'ordinal'"
    ):
        load_study(tmp_path / "study.yaml")
    (tmp_path / "study.yaml").write_text(text.replace("kind: ordinl", "kind: ordinal, bin: [1]"))
    with pytest.raises(UserError, match=r"data\.source\.labels\.b\.bin: unknown key"):
        load_study(tmp_path / "study.yaml")


def test_a_folder_of_parquet_files_is_recognised(celeba10k):
    source = detect_source(celeba10k)
    assert source.kind == "parquet"
    assert {"Smiling", "identity"} <= set(source.known_tasks())
    assert DataConfig(source=source, tasks=("Smiling",)).source == source
