"""Monitoring that is switched on later retrains nothing, and what is missing for it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner, Result

from study import Study
from study.cli import app
from study.definition.loading import load_study
from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan, compile_plan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress
from study.session.reading import report_origin
from study.status.monitoring import train_again, unmonitored

NOTE = "15 finished trials were trained before agreement asked for what"


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def with_sections(file: Path, text: str) -> StudyPlan:
    file.write_text(file.read_text() + text)
    return compile_plan(load_study(file))


def test_switching_monitoring_on_retrains_nothing_and_says_what_is_not_there(
    played: RunFolder, study_file: Path
) -> None:
    plan = with_sections(study_file, "agreement: {every_epochs: 1}\n")
    progress = read_progress(played, plan)
    assert progress.done == len(progress.trials) == 15
    assert len(unmonitored(progress)) == 15
    for command in ("plan", "status"):
        said = " ".join(modstudy(command, study_file).output.split())
        assert NOTE in said, command
        assert f"modstudy run {study_file} --retrain" in said
    (note,) = report_origin(Study(study_file).target, progress).notes
    assert NOTE in note
    assert json.loads(modstudy("plan", study_file, "--json").output)["trials_without_monitoring"] == 15


def test_what_was_monitored_as_asked_lacks_nothing(played: RunFolder, plan: StudyPlan, study_file: Path) -> None:
    assert unmonitored(read_progress(played, plan)) == ()
    rarely = with_sections(study_file, "").definition
    rarely = rarely.model_copy(update={"evaluation": rarely.evaluation.model_copy(update={"validate_every": 2})})
    sparse = compile_plan(rarely)
    assert unmonitored(read_progress(played, sparse)) == ()  # all epochs were looked at, so every second was
    assert "finished trials were trained before" not in modstudy("status", study_file).output


def test_curves_looked_at_less_often_are_said_to_lack_it(plan: StudyPlan, folder: RunFolder, study_file: Path) -> None:
    """One trial whose validation was looked at in its last epoch alone."""
    trial = progress_of(plan, {}, DrawnRounds()).trials[0].trial
    evaluation = trial.config.evaluation.model_copy(update={"validate_every": 2})
    seldom = replace(trial, config=trial.config.model_copy(update={"evaluation": evaluation}))
    with JournalWriter(folder.trial(trial.trial_id).journal) as journal:
        journal.append("planned", **seldom.planned_event("tiny"))
        journal.append("started", attempt=1, from_epoch=0, host="node1", pid=1, versions={})
        journal.append("epoch", epoch=1, seconds=1.0, metrics={"train/loss": 1.0})
        journal.append("epoch", epoch=2, seconds=1.0, metrics={"validation/triplet_accuracy": 0.5})
        journal.append("finished", epochs_run=2, objective=0.5, task_metrics=[], peak_memory_bytes=1)
    assert len(unmonitored(read_progress(folder, plan))) == 1
    note = "1 finished trials were trained before evaluation.validate_every asked"
    assert note in " ".join(modstudy("status", study_file).output.split())


def test_trials_to_be_monitored_are_put_aside_whole_and_asked_for_again(played: RunFolder, study_file: Path) -> None:
    plan = with_sections(study_file, "agreement: {every_epochs: 1}\n")
    lacking = unmonitored(read_progress(played, plan))
    journals = {path.parent.name: path.read_bytes() for path in played.trials.glob("*/journal.jsonl")}
    train_again(lacking, played)
    write_plan(plan, played)
    assert read_progress(played, plan).done == 0
    kept = (played.path / "earlier" / "1" / "trials").glob("*/journal.jsonl")
    assert {path.parent.name: path.read_bytes() for path in kept} == journals
