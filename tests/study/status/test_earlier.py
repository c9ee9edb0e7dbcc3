"""A run folder left by the code of results version 2: readable as it is, trained again on demand only, never mixed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from results.tables.store import read_table
from study.cli import app
from study.collect.collect import collect
from study.definition.loading import load_study
from study.errors import UserError
from study.layout import RunFolder
from study.plan.document import read_plan, write_plan
from study.plan.plan import compile_plan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress
from study.status.earlier import keep_aside
from trainables.config.identity import RESULTS_VERSION

MADE_BY_VERSION_2 = Path(__file__).parent / "run_of_version_2"
RETRAINED = "10 trials that have ended would be trained again: they are results of version 2"


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def old(tmp_path: Path) -> RunFolder:
    path = tmp_path / "runs" / "faces"
    shutil.copytree(MADE_BY_VERSION_2, path)
    (tmp_path / "faces.yaml").write_text((path / "study.yaml").read_text())
    return RunFolder(path)


@pytest.fixture
def file(old: RunFolder) -> Path:
    return old.path.parents[1] / "faces.yaml"


def content(path: Path) -> dict[str, str]:
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(path.rglob("*")) if f.is_file()}


def test_the_plan_of_version_2_finds_the_trials_of_version_2(old: RunFolder) -> None:
    progress = read_progress(old)
    assert progress.plan.results_version == 2
    assert progress.done == len(progress.trials) == 10


def test_tables_of_version_2_come_out_as_that_version_wrote_them(old: RunFolder) -> None:
    names = ("trials", "task_metrics", "curves", "summary")
    before = {name: read_table(old.tables, name) for name in names}
    made = collect(old)
    for name in names:
        assert len(before[name]) > 0
        common = [column for column in before[name] if column in made[name] and column != "config"]  # gets new keys
        common = [column for column in common if before[name][column].notna().any()]  # that version lacked some
        if name == "summary":  # intervals are computed anew: equal but for their last bit
            common.remove("selection_rule")  # a sentence, which has been reworded since
            pd.testing.assert_frame_equal(made[name][common], before[name][common], rtol=1e-13, atol=1e-15)
        else:
            assert made[name][common].equals(before[name][common]), name


def test_plan_status_and_report_say_how_many_would_be_trained_again_and_why(old: RunFolder, file: Path) -> None:
    for command in ("plan", "status", "collect", "report"):
        result = modstudy(command, file)
        assert result.exit_code == 0, result.output
        said = " ".join(result.output.split())
        assert RETRAINED in said
        assert "batch-norm statistics" in said
        assert f"modstudy run {file} --retrain" in said
    planned = json.loads(modstudy("plan", file, "--json").output)
    assert (planned["trials_done"], planned["trials_trained_again"]) == (0, 10)
    status = json.loads(modstudy("status", file, "--json").output)
    assert status["results_version"] == 2
    assert len(status["notes"]) == 1
    for name in ("report.md", "report.html"):
        assert RETRAINED in (old.report / name).read_text(encoding="utf-8"), name


def test_run_asks_before_it_trains_results_of_an_older_version_again(old: RunFolder, file: Path) -> None:
    before = content(old.path)
    result = modstudy("run", file, "--no-tracking")
    assert result.exit_code == 2
    assert "holds 10 trials that have ended, and running this study would train them again" in result.output
    for way in ("--retrain", "another name", "--runs-dir"):
        assert way in result.output
    changed = content(old.path)
    for own in (old.lock, old.journal_index):
        changed.pop(str(own), None)
    assert changed == before


def test_results_of_two_versions_never_meet_in_one_summary(old: RunFolder, file: Path) -> None:
    """As ``run --retrain`` does, without training."""
    plan = compile_plan(load_study(file))
    old_ids = {trial.trial.trial_id for trial in read_progress(old).trials}
    tables = content(old.tables)
    keep_aside(old)
    assert set(content(old.path / "earlier/1/tables").values()) == set(tables.values())
    write_plan(plan, old)
    assert read_plan(old).results_version == RESULTS_VERSION
    progress = read_progress(old, plan)
    assert progress.done == 0
    assert not {trial.trial.trial_id for trial in progress.trials} & old_ids
    assert collect(old)["summary"]["n_seeds"].tolist() == [0, 0]
    assert modstudy("status", file).exit_code == 0


def test_a_plan_of_a_newer_version_is_not_read(old: RunFolder, file: Path) -> None:
    document = json.loads(old.plan.read_text())
    old.plan.write_text(json.dumps(document | {"results_version": RESULTS_VERSION + 1}))
    with pytest.raises(UserError, match="update modulation-study to read them"):
        read_plan(old)
    assert modstudy("status", file).exit_code == 2


def test_other_monitoring_finds_the_same_trials_from_version_3_on(file: Path) -> None:
    settings = yaml.safe_load(file.read_text())
    plans = []
    for every in (1, 2):
        file.write_text(yaml.safe_dump(settings | {"evaluation": {"triplets_per_task": 20, "validate_every": every}}))
        definition = load_study(file)
        versions = (compile_plan(definition, "data", version) for version in (2, 3))
        plans.append([{t.trial.trial_id for t in progress_of(plan, {}, DrawnRounds()).trials} for plan in versions])
    assert plans[0][0].isdisjoint(plans[1][0])
    assert plans[0][1] == plans[1][1]
