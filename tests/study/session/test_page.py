"""What the page of a run shows besides its tables: weights, images where they may be shown, and provenance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from results.analysis.summary import summarize
from study.collect.collect import build_tables
from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.run_folder.provenance import note_start
from study.schedule.progress import RunProgress, read_progress
from study.session.page import PageRequest, networks_of, page_origin
from study.session.reading import reproducing
from study.session.target import Target, target_of
from trainables.data import prepare_dataset
from trainables.networks.multi_task import build_model
from trainables.training.records import TrialRecords
from trainables.training.weights import save_weights


@pytest.fixture
def progress(played: RunFolder) -> RunProgress:
    return read_progress(played)


@pytest.fixture
def target(plan: StudyPlan, played: RunFolder) -> Target:
    return target_of(plan.definition, played.path)


@pytest.fixture
def summary(played: RunFolder, progress: RunProgress) -> Any:
    tables = build_tables(played, progress, {})
    return summarize(tables["trials"], tables["task_metrics"], tables["storage"])


@pytest.fixture
def trained(plan: StudyPlan, progress: RunProgress, played: RunFolder, tmp_path: Path, monkeypatch: Any) -> RunFolder:
    """The run with weights of its confirm trials, and its images decoded."""
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    for trial in (one.trial for one in progress.trials if one.trial.stage == "confirm"):
        weights = played.trial(trial.trial_id).weights
        save_weights(weights, build_model(trial.config), trial.config, trial.trial_id, TrialRecords())
    data = plan.definition.data
    prepare_dataset(data, plan.definition.seeds.data_seed, tmp_path / "cache")
    return played


def test_without_weights_the_page_says_so(target: Target, progress: RunProgress, summary: Any) -> None:
    networks = networks_of(target, progress, summary, images=None)
    assert networks.vectors == ()
    assert networks.labels is None
    assert networks.examples.queries == ()
    assert networks.examples.note


@pytest.mark.usefixtures("trained")
def test_images_are_shown_where_they_may_be(target: Target, progress: RunProgress, summary: Any) -> None:
    found = networks_of(target, progress, summary, images=None).examples
    ranked = summary.sort_values("triplet_accuracy_mean", ascending=False)["arm"]
    assert all(list(query.arms) == [ranked.iloc[0], ranked.iloc[-1]] for query in found.queries)
    assert f"highest mean: {ranked.iloc[0]}, lowest mean: {ranked.iloc[-1]}" in found.note
    assert [query.task for query in found.queries] == ["Smiling", "Glasses"]
    assert all(len(images) == 8 for query in found.queries for images in query.arms.values())
    kept = networks_of(target, progress, summary, images=False).examples
    assert (kept.queries, kept.images) == ((), {})
    assert "images" in kept.note


def test_vectors_are_read_and_damaged_weights_named(
    trained: RunFolder, target: Target, progress: RunProgress, summary: Any
) -> None:
    late = [one.trial for one in progress.trials if one.trial.arm.name == "late" and one.trial.stage == "confirm"]
    trained.trial(late[0].trial_id).weights.write_bytes(b"damaged")
    networks = networks_of(target, progress, summary, images=None)
    (found,) = networks.vectors
    assert found.train_seed == late[1].config.train_seed
    assert all(np.array_equal(factors, np.ones_like(factors)) for factors in found.points.values())
    assert networks.labels is not None
    (line,) = networks.unread
    assert line.startswith(f"late: modulation vectors of trial {late[0].trial_id} are missing")


def test_provenance_names_command_code_packages_and_machines(target: Target, progress: RunProgress) -> None:
    note_start(target.folder)
    facts = {fact.label: fact.lines for fact in page_origin(target, progress, PageRequest(("run it",))).facts}
    assert facts["To reproduce"] == ("run it",)
    assert facts["Code"][0].startswith("modulation-study ")
    assert "lock" in facts["Packages"][0]
    assert facts["Workers"] == (f"node1: {len(progress.trials)} trials",)


def test_the_commands_that_reproduce_a_study_name_the_place_of_its_runs(target: Target) -> None:
    given = Path("my.yaml")
    elsewhere = replace(target, given=given, file=given, runs=Path("elsewhere"))
    assert reproducing(elsewhere)[0] == "modstudy run my.yaml --runs-dir elsewhere"
    folder = target.folder.path  # which says where it is
    assert all("--runs-dir" not in line for line in reproducing(replace(elsewhere, given=folder, file=None)))
