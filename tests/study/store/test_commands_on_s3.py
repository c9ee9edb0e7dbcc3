"""Commands on a study in a bucket: what needs weights, what is shown of its place, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from study import Study, UserError
from study.cli import app
from study.layout import RunFolder
from study.store.objects import ObjectStore
from study.store.segments import Segments

pytestmark = pytest.mark.usefixtures("apart")


@pytest.fixture(scope="module")
def trained(train_study: Callable[..., RunFolder]) -> RunFolder:
    return train_study("bucketed", search={"trials_per_arm": 1})


@pytest.fixture
def url(trained: RunFolder, s3_url: str) -> str:
    """The URL of a finished study."""
    url = f"{s3_url.rpartition('/')[0]}/bucketed"
    store = ObjectStore(url)
    for path in (path for path in trained.path.rglob("*") if path.is_file() and path.suffix != ".lock"):
        key = path.relative_to(trained.path).as_posix()
        if path == trained.trial(path.parent.name).journal:
            Segments(store, key).append(path.read_bytes())
        else:
            store.write(key, path.read_bytes())
    return url


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def text_of(result: Result) -> str:
    return " ".join(result.output.split())


def copied_weights(place: Path) -> list[Path]:
    return list(place.rglob("*.safetensors"))


def test_an_export_is_the_same_as_from_a_folder_and_leaves_no_weights_behind(trained, url, tmp_path):
    done = modstudy("export", url, "--arm", "late", "--precision", "fp16", "--out", tmp_path / "of_store")
    assert done.exit_code == 0, done.output
    Study(trained.path).export(arm="late", precision="fp16", out=tmp_path / "of_folder")
    packs = [
        {path.name: path.read_bytes() for path in copied_weights(tmp_path / name)} for name in ("of_store", "of_folder")
    ]
    assert packs[0] == packs[1]
    assert len(packs[0]) > 1
    assert not copied_weights(tmp_path / "cache" / "copies")


def test_storage_measures_the_weights_in_the_store(url):
    found = Study(url).storage((1e4,), precision="fp16")
    assert all(arm.accuracy is not None and arm.seconds is not None for arm in found.arms)
    assert not [note for note in found.run.notes if "no kept weights" in note]


def test_a_report_shows_the_vectors_and_names_the_url(url):
    done = modstudy("report", url)
    assert done.exit_code == 0, done.output
    assert "modulation.png" in done.output
    written = (Study(url).folder / "report" / "report.md").read_text()
    assert f"modstudy run {url}\n" in written
    assert "/copies/" not in written


def test_too_many_weights_for_a_report_are_left_out_and_named(url, monkeypatch):
    monkeypatch.setattr("study.session.page._MOST_FETCHED_BYTES", 1000)
    study = Study(url)
    study.report()
    page = (study.folder / "report" / "report.html").read_text()
    assert "modulation vectors are left out: the weights of" in page


def test_without_weights_an_export_says_why_and_what_to_do(url, tmp_path):
    store = ObjectStore(url)
    for key in store.keys("trials"):
        if key.endswith(".safetensors"):
            store.delete(key)
    done = modstudy("export", url, "--arm", "late", "--out", tmp_path / "packs")
    assert done.exit_code == 2
    assert f"{url}: no confirm trial of arm late has kept weights" in text_of(done)
    assert "None" not in done.output


@pytest.mark.parametrize("command", ["status", "plan"])
def test_the_place_shown_is_the_url(url, command):
    done = modstudy(command, url)
    assert done.exit_code == 0, done.output
    assert url in done.output.replace("\n", "")
    assert "/copies/" not in done.output
    assert url in repr(Study(url))


def test_a_store_with_nothing_at_the_url_is_named_as_it_was_typed(s3_url):
    with pytest.raises(UserError, match=rf"^{s3_url}: not the folder of a run"):
        Study(s3_url)


@pytest.mark.parametrize("command", ["plan", "run", "status"])
def test_a_bucket_that_does_not_exist_is_refused_by_all_commands(s3, study_file, command):
    done = modstudy(command, study_file, "--runs-dir", "s3://no-such-bucket/runs")
    assert done.exit_code == 2
    line = text_of(done)
    assert line.startswith("error: s3://no-such-bucket/runs/")
    assert line.endswith("the bucket does not exist; create it, or correct the address")


def test_a_sampler_is_told_the_trials_of_a_study_in_a_bucket(url, tiny_study, tmp_path):
    search = {"mode": "explore", "trials": 2, "warm_start": [url]}
    (tmp_path / "told.yaml").write_text(yaml.safe_dump(tiny_study(name="told", search=search)))
    done = modstudy("plan", tmp_path / "told.yaml")
    assert done.exit_code == 0, done.output
    assert f"earlier tune trials of {url}" in text_of(done)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["export", "runs/x", "--out"], "--out"),
        (["affinity", "study.yaml", "--out"], "--out"),
        (["compare", "runs/x", "--out"], "--out"),
        (["index", "packs", "photos", "--out"], "--out"),
        (["index"], "PACK"),
        (["retrieve", "photos-index", "q.jpg", "--grid"], "--grid"),
        (["retrieve"], "INDEX"),
        (["serve"], "INDEX"),
        (["new", "default"], "FILE"),
    ],
)
def test_no_folder_called_s3_is_made_where_only_paths_are_written(arguments, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rest = ["q.jpg"] if arguments == ["retrieve"] else []
    done = modstudy(*arguments, "s3://bucket/place", *rest)
    assert done.exit_code == 2, done.output
    assert text_of(done) == f"error: {name}: s3://bucket/place is a URL; name a path on this machine"
    assert not list(tmp_path.glob("s3*"))


def test_python_refuses_a_url_to_export_to(url):
    with pytest.raises(UserError, match=r"^out: s3://bucket/packs is a URL"):
        Study(url).export(out="s3://bucket/packs")
