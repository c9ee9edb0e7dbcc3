"""The study files in docs/studies can be read, and what their pages show is what the kept journals say."""

import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.analysis.reported import read_results
from results.report.answer import answer_sentences
from results.report.cautions import end_of_training
from study import Study
from study.definition.loading import load_study

STUDIES = Path(__file__).parents[2] / "docs" / "studies"
FILES = sorted(path for path in STUDIES.rglob("*.yaml") if path.name != "affinity.yaml")
ARCHIVES = sorted(STUDIES.glob("*/run.tar.gz"))


def test_there_are_study_files():
    assert len(FILES) >= 11


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(STUDIES)))
def test_a_published_study_file_is_valid(path):
    assert load_study(path).space.blocks


@pytest.mark.parametrize("path", sorted(STUDIES.glob("gpu/*.yaml")), ids=lambda path: path.stem)
def test_a_study_for_a_gpu_is_long_and_wide_enough_and_compares_at_equal_cost_too(path):
    study = load_study(path)
    assert study.compute.device == "cuda"
    assert study.data.image_size >= 64
    assert study.network.width >= 0.5
    assert study.search.trials_per_arm >= 4
    assert len(study.confirm.seeds) >= 5
    assert study.budget == "both"
    assert study.optimization.epochs / study.evaluation.validate_every >= 4, (
        "its curves must show whether they are flat"
    )
    text = (path.parent / "README.md").read_text(encoding="utf-8")
    assert f"]({path.name}) | `{study.data.source.path.name}` | {len(study.data.tasks)} |" in text


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_a_page_says_whether_training_was_long_enough_and_shows_the_curves(archive):
    folder = archive.parent
    told, page = (
        (folder / "training.txt").read_text(encoding="utf-8"),
        (folder / "README.md").read_text(encoding="utf-8"),
    )
    assert told in page
    assert ("curves.png" in page) == (folder / "curves.png").is_file() == ("at the end of training only" not in told)


@pytest.mark.long
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_summary_and_answer_of_a_published_study_are_those_of_its_journals(archive, tmp_path):
    with tarfile.open(archive) as tar:
        assert not [entry.name for entry in tar if Path(entry.name).suffix == ".safetensors"]
        tar.extractall(tmp_path, filter="data")
    study = Study(tmp_path / archive.parent.name)
    study.collect()
    found = read_results(study.folder / "tables")
    published = pd.read_csv(archive.parent / "summary.csv")
    assert published["arm"].tolist() == found.summary["arm"].tolist()
    for name in ("n_seeds", "added_parameters", "triplet_accuracy_mean", "triplet_accuracy_low", "map_at_r_mean"):
        np.testing.assert_allclose(published[name].astype(float), found.summary[name].astype(float), rtol=1e-9)
    answer = archive.parent / "answer.txt"
    if answer.is_file():
        assert answer.read_text(encoding="utf-8") == " ".join(answer_sentences(found)) + "\n"
    told = (archive.parent / "training.txt").read_text(encoding="utf-8")
    assert told[1:-2] == end_of_training(found)[1:]


def test_archives_tell_nothing_of_the_machine():
    assert ARCHIVES
    for archive in ARCHIVES:
        with tarfile.open(archive) as tar:
            for entry in tar:
                content = tar.extractfile(entry)
                text = content.read().decode() if content else ""
                assert not re.search(r'"path": ?"/', text), f"{archive.parent.name}/{entry.name}"
