"""Studies of images in a bucket: the study file, ``modstudy new``, the Python interface, and a real run."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import uuid

import fsspec
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from study import Study
from study.cli import app
from study.definition.loading import dump_study, load_study, parse_study
from study.errors import UserError
from trainables.sources.remote import mirror


@pytest.fixture
def bucket(s3, monkeypatch, tmp_path):
    """The URL of forty pictures, in a folder per class."""
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mirror, "_mirrored", {})
    name, system = f"bucket-{uuid.uuid4().hex[:8]}", fsspec.filesystem("s3", use_listings_cache=False)
    system.mkdir(name)
    rows = ["image,kind,size"]
    for number in range(40):
        kind, found = ("cat", "dog")[number % 2], io.BytesIO()
        Image.new("RGB", (64, 64), (6 * number, 0, 0)).save(found, "png")
        system.pipe_file(f"{name}/photos/{kind}/{number}.png", found.getvalue())
        system.pipe_file(f"{name}/listed/{number}.png", found.getvalue())
        rows.append(f"{number}.png,{kind},{('small', 'large')[number // 2 % 2]}")
    system.pipe_file(f"{name}/listed/all.csv", "\n".join(rows).encode())
    s3.seen.clear()
    return f"s3://{name}"


def test_a_study_file_keeps_its_url_and_one_that_cannot_be_is_one_line(tmp_path):
    text = "name: a\ndata: {source: {kind: parquet, path: 's3://bucket/shoes/'}, tasks: [kind]}\n"
    definition = parse_study(tmp_path / "a.yaml", text)
    assert "path: s3://bucket/shoes" in dump_study(definition)
    assert parse_study(tmp_path / "a.yaml", dump_study(definition)) == definition
    with pytest.raises(UserError, match=r"a\.yaml: data\.source\.path: no store of kind s4:// is known"):
        parse_study(tmp_path / "a.yaml", text.replace("s3:", "s4:"))
    with pytest.raises(UserError, match=r"data\.source\.path: a URL of s3:// must hold no login") as caught:
        parse_study(tmp_path / "a.yaml", text.replace("bucket", "key:hidden@bucket"))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("what", ["photos", "listed", "listed/all.csv"])
def test_new_writes_a_study_of_a_url(bucket, tmp_path, what):
    file = tmp_path / "pets.yaml"
    result = CliRunner().invoke(app, ["new", str(file), "--data", f"{bucket}/{what}"])
    assert result.exit_code == 0, result.output
    source = yaml.safe_load(file.read_text())["data"]["source"]
    if what == "photos":
        assert source["path"] == str(tmp_path / "pets-images.csv")
        assert source["images"] == f"{bucket}/photos"
    else:
        assert source["path"] == f"{bucket}/listed/all.csv"
    assert load_study(file).data.open(0).labels("train").shape[0] > 20


def test_python_drafts_a_study_of_a_url(bucket, tmp_path):
    study = Study.from_images(f"{bucket}/listed", folder=tmp_path / "run")
    assert study.definition.name == "listed"
    assert study.definition.data.source.place == f"{bucket}/listed/all.csv"
    assert study.plan().trials > 0


def test_a_url_with_nothing_is_one_line(bucket, tmp_path):
    with pytest.raises(UserError, match=f"^{bucket}/none: no such bucket, or nothing below this URL$"):
        Study.from_images(f"{bucket}/none")


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_run_fetches_every_object_once(bucket, s3, tiny_study, tmp_path):
    source = {"kind": "table", "path": f"{bucket}/listed/all.csv"}
    values = {**tiny_study(), "data": {"source": source, "tasks": ["kind", "size"], "image_size": 48}}
    values["batches"] = {"batch_size": 6}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values))
    result = subprocess.run(
        [sys.executable, "-m", "study", "run", "tiny.yaml", "--no-tracking", "--workers", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    asked = [path for verb, path in s3.seen if verb == "GET" and path.count("/") >= 3]
    assert len(asked) == len(set(asked)) == 41
    assert (tmp_path / "runs" / "tiny" / "report" / "report.md").is_file()
