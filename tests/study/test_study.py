"""Studies from Python: defined in code, planned, run, read and drawn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from search_spaces import Block, Placement, SearchSpace
from study import Study, StudyDefinition, UserError
from study.session.running import RunInterruptedError, RunResult
from study.status.status import StudyStatus
from trainables.config.data import DataConfig
from trainables.sources.faces.source import GeneratedFaces

pytestmark = pytest.mark.xdist_group("ray")

SOURCE = {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12}
VALUES: dict[str, Any] = {
    "name": "tiny",
    "description": "<b>two</b> arms",
    "data": {"source": SOURCE, "tasks": ["Smiling", "Glasses"], "image_size": 48},
    "network": {"width": 0.0625},
    "batches": {"batch_size": 12},
    "optimization": {"epochs": 1},
    "evaluation": {"triplets_per_task": 20},
    "space": {"blocks": [{"placement": ["none", "late"]}]},
    "search": {"trials_per_arm": 1},
    "confirm": {"seeds": [1, 2]},
}


class Ran:
    """A study that was run once, and what the run told."""

    def __init__(self, folder: Path) -> None:
        self.study = Study.from_dict(VALUES, folder=folder)
        self.told: list[StudyStatus] = []
        self.result: RunResult = self.study.run(workers=1, tracking=False, progress=self.told.append)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, start_ray: Callable[[], None]) -> Ran:
    start_ray()
    return Ran(tmp_path_factory.mktemp("study") / "runs" / "tiny")


def test_a_run_tells_its_progress_and_how_it_ended(ran: Ran):
    assert ran.result.complete
    assert ran.result.notes == ()
    assert repr(ran.result).startswith("<trials: 6 completed; report: ")
    assert ran.told[0].done == 0
    assert ran.told[-1].total == 6
    assert ran.study.status().complete
    assert repr(ran.study.status()) == "<status of tiny: 6 of 6 trials done>"


def test_results_are_data_frames(ran: Ran):
    assert list(ran.study.summary["arm"]) == ["shared", "late"]
    assert len(ran.study.trials) == 6
    assert set(ran.study.task_metrics["task"]) == {"Smiling", "Glasses"}
    assert set(ran.study.curves["epoch"]) == {1}
    assert set(ran.study.curves["arm"]) == {"shared", "late"}
    for name, table in ran.study.collect().items():
        read = {"trials": ran.study.trials, "summary": ran.study.summary}.get(name)
        if read is not None:
            pd.testing.assert_frame_equal(read, table)


def test_what_a_reader_writes_into_a_frame_stays_his(ran: Ran):
    frame = ran.study.trials
    frame["arm"] = "changed"
    assert "changed" not in set(ran.study.trials["arm"])


def test_figures_are_shown_by_notebooks(ran: Ran):
    for name in ("tradeoff", "tasks"):
        figure: Any = ran.study.figure(name)
        assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="no figure 'tradeof'; did you mean 'tradeoff'"):
        ran.study.figure("tradeof")
    with pytest.raises(UserError, match=r"agreement\.every_epochs"):
        ran.study.figure("agreement")


def test_the_report_names_commands_that_work_without_a_study_file(ran: Ran):
    assert f"modstudy run {ran.study.folder}" in ran.result.report.report.read_text()
    assert Study(ran.study.folder).summary.equals(ran.study.summary)


def test_run_again_trains_nothing_again_and_silence_prints_nothing(ran: Ran, capfd: pytest.CaptureFixture[str]):
    journals = {path: path.stat().st_mtime_ns for path in ran.study.folder.glob("trials/*/journal.jsonl")}
    assert ran.study.run(tracking=False, progress=False).complete
    assert {path: path.stat().st_mtime_ns for path in ran.study.folder.glob("trials/*/journal.jsonl")} == journals
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_ends_the_call_and_says_how_to_resume(tmp_path: Path, start_ray: Callable[[], None]):
    start_ray()
    study = Study.from_dict(VALUES, folder=tmp_path / "tiny")

    def interrupt(status: StudyStatus) -> None:
        if status.done:
            raise KeyboardInterrupt

    with pytest.raises(RunInterruptedError, match=r"nothing is lost. To resume: \.run\(\)"):
        study.run(workers=1, tracking=False, progress=interrupt)
    assert 0 < study.status().done < 6


def test_a_progress_function_that_raises_ends_no_run(
    tmp_path: Path, start_ray: Callable[[], None], caplog: pytest.LogCaptureFixture
):
    start_ray()
    calls = []

    def fail(status: StudyStatus) -> None:
        calls.append(status.done)
        if status.done:  # while Ray reports a trial's end
            raise OSError("the chart is gone")

    values = {**VALUES, "space": {"blocks": [{"placement": ["none"]}]}}
    assert Study.from_dict(values, folder=tmp_path / "runs" / "tiny").run(tracking=False, progress=fail).complete
    assert calls[-1] == 1
    assert "the chart is gone" in caplog.text


def test_a_run_outside_the_main_thread_is_refused(tmp_path: Path):
    study, caught = Study.from_dict(VALUES, folder=tmp_path / "tiny"), list[UserError]()

    def run() -> None:
        with pytest.raises(UserError) as error:
            study.run(tracking=False)
        caught.append(error.value)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "study tiny: a study runs in the main thread only" in str(caught[0])
    assert not study.folder.exists()


def test_parts_may_be_objects(tmp_path: Path):
    space = SearchSpace(blocks=(Block(placement=(Placement("none"), Placement("late"))),))
    written = Study.from_dict({**VALUES, "space": space, "data": DataConfig.model_validate_json(_json())})
    assert written.definition.space == Study.from_dict(VALUES).definition.space
    definition = StudyDefinition(name="tiny", data=written.definition.data, space=space)
    assert Study(definition, folder=tmp_path).definition.space == space


def _json() -> str:
    return '{"source": {"kind": "generated"}, "tasks": ["Smiling", "Glasses"], "image_size": 48}'


def test_a_source_may_be_an_object(tmp_path: Path):
    source = GeneratedFaces(train_images=24, validation_images=12, test_images=12)
    data = DataConfig(source=source, tasks=("Smiling", "Glasses"), image_size=48)
    made = Study.from_dict({**VALUES, "data": data}, folder=tmp_path / "tiny")
    assert made.definition.data == Study.from_dict(VALUES).definition.data
    assert Study.from_dict({**VALUES, "data": {**VALUES["data"], "source": source}}).definition.data == data
    written = StudyDefinition(name="tiny", data=DataConfig(source=GeneratedFaces(), tasks=("Smiling",), image_size=48))
    assert Study(written).definition.data.source == GeneratedFaces()


def test_a_run_may_be_repeated_in_another_folder(ran: Ran, tmp_path: Path):
    again = Study(ran.study.folder, folder=tmp_path / "elsewhere")
    assert again.folder == tmp_path / "elsewhere"
    assert again.definition == ran.study.definition


def test_paths_start_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    source = {"kind": "table", "path": "shoes.csv", "images": Path("shoes")}
    study = Study.from_dict({"name": "shoes", "data": {"source": source, "tasks": ["heel"], "image_size": 48}})
    assert study.definition.data.source.model_dump()["path"] == tmp_path / "shoes.csv"
    assert study.folder == tmp_path / "runs" / "shoes"
    assert Study(study.definition).definition == study.definition


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, r"study tiny: epochs: unknown key"),
        ({"optimization": {"epoch": 3}}, r"study tiny: optimization\.epoch: unknown key; did you mean 'epochs'"),
        ({"data": {"tasks": [object()]}}, r"study tiny: data\.tasks\[0\]: expected a value as in a study file"),
    ],
)
def test_a_broken_rule_names_study_key_value_and_rule(change: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        Study.from_dict({**VALUES, **change})


def test_results_of_a_study_that_was_not_run_are_refused(tmp_path: Path):
    study = Study.from_dict(VALUES, folder=tmp_path / "tiny")
    for read in (lambda: study.summary, study.status, study.report, study.figure, study.collect, study.sync):
        with pytest.raises(UserError, match=r"has not been run yet; start it with: \.run\(\)"):
            read()


def test_names_are_escaped_where_a_notebook_shows_them():
    study = Study.from_dict(VALUES)
    assert "&lt;b&gt;two&lt;/b&gt; arms" in study._repr_html_()
    assert "<b>two" not in study._repr_html_() + study.plan()._repr_html_()
    assert repr(study.plan()) == "<plan of tiny: 6 trials of 2 arms: shared, late>"
    assert list(study.plan().arms["added_parameters"]) == [0, 64]


def test_a_printed_plan_is_the_table_of_the_command(tmp_path: Path):
    plan = Study.from_dict({**VALUES, "resources": {"cpus": 1000}}, folder=tmp_path / "tiny").plan()
    lines = str(plan).splitlines()
    assert lines[0].split()[:3] == ["arm", "added", "parameters"]
    assert any(line.split()[:2] == ["late", "64"] for line in lines)
    assert "trials: 2 arms x (1 tune + 2 confirm) = 6, 0 of them done; up to 1 epochs each" in lines
    assert lines[-1].startswith("warning: resources.cpus: a trial needs 1000")


def test_the_bare_name_of_a_run_is_answered_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "pics").mkdir(parents=True)
    (tmp_path / "runs" / "pics" / "study.yaml").touch()
    with pytest.raises(UserError, match="pics: no such study file, but there is a run of that name: runs/pics"):
        Study("pics")


def test_a_folder_of_classes_is_a_study_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        (tmp_path / "My Photos" / name).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (64, 64), (*colour[:1], number, colour[2])).save(
                tmp_path / "My Photos" / name / f"{number}.png"
            )
    study = Study.from_images("My Photos", optimization={"epochs": 2})
    assert study.folder == tmp_path / "runs" / "my-photos"
    assert study.definition.data.tasks == ("class",)
    assert (study.definition.optimization.epochs, study.definition.optimization.optimizer) == (2, "adam")
    assert study.plan().trials > 0
    with pytest.raises(UserError, match="no such folder"):
        Study.from_images("elsewhere")
    assert not (tmp_path / "runs" / "elsewhere").exists()
    table = study.folder / "images.csv"
    before = table.read_bytes()
    Image.new("RGB", (64, 64)).save(tmp_path / "My Photos" / "red" / "new.png")
    with pytest.raises(UserError, match=r"optimization\.epoch: unknown key"):
        Study.from_images("My Photos", optimization={"epoch": 2})
    assert table.read_bytes() == before
