"""No password of a tracking address is stored or shown by the product, whichever way it comes in."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from study.cli import app
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan

SECRET = "s3cr3t-w0rd"  # noqa: S105 - looked for, opens nothing


def _everything_below(folder: Path) -> str:
    return "".join(path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "tracking",
    [
        "{uri: 'postgresql://ann:s3cr3t-w0rd@db/runs'}",
        "{uri: 'https://ann:s3cr3t-w0rd@server'}",
        "{uri: 'https://server/?token=s3cr3t-w0rd'}",
        "{uri: 'postgresql://ann:it is <\"s3cr3t-w0rd\">@db/runs'}",
        "{uri: 'https://ann:x/s3cr3t-w0rd@server'}",
        "'https://ann:s3cr3t-w0rd@server'",
        "'https://ann:my s3cr3t-w0rd@server'",
        "{url: 'https://ann:s3cr3t-w0rd@server'}",
        "{uri: ['https://ann:s3cr3t-w0rd@server']}",
    ],
)
def test_a_study_file_with_a_password_is_refused_without_showing_it(tmp_path, tracking):
    file = tmp_path / "study.yaml"
    file.write_text(
        f"name: x\ndata: {{source: {{kind: generated}}, tasks: [Hat], image_size: 48}}\ntracking: {tracking}\n"
    )
    result = CliRunner().invoke(app, ["plan", str(file), "--runs-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert SECRET not in result.output
    assert f"{file}: tracking" in result.output
    if "{uri: '" in tracking:
        assert "MLFLOW_TRACKING_URI" in result.output
        assert "MLFLOW_TRACKING_PASSWORD" in result.output


def test_an_old_run_folder_loses_the_password_it_holds_and_says_so(
    plan: StudyPlan, folder: RunFolder, caplog: pytest.LogCaptureFixture
):
    write_plan(plan, folder)
    definition = json.loads(folder.plan.read_text())
    definition["definition"]["tracking"]["uri"] = f"postgresql://ann:{SECRET}@db/runs"
    folder.plan.write_text(json.dumps(definition))
    study = f"name: {plan.definition.name}\ntracking:\n  uri: postgresql://ann:{SECRET}@db/runs\n"
    study += "data: {source: {kind: generated}, tasks: [Smiling, Hat], image_size: 48}\n"
    folder.definition.write_text(study)
    result = CliRunner().invoke(app, ["status", str(folder.path)])
    assert "held the login of tracking.uri" in caplog.text
    assert SECRET not in result.output + caplog.text + _everything_below(folder.path)
    assert "postgresql://ann@db/runs" in folder.plan.read_text()
    assert "postgresql://ann@db/runs" in folder.definition.read_text()
    caplog.clear()
    CliRunner().invoke(app, ["status", str(folder.path)])
    assert "held the login" not in caplog.text


def test_a_password_in_the_environment_is_used_and_never_shown(
    plan: StudyPlan, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
):
    write_plan(plan, folder)
    folder.definition.write_text(
        f"name: {plan.definition.name}\ndata: {{source: {{kind: generated}}, tasks: [Smiling, Hat], image_size: 48}}\n"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:{SECRET}@127.0.0.1:9/")
    result = CliRunner().invoke(app, ["sync", str(folder.path)])
    assert result.exit_code == 2
    assert "MLflow at http://ann:***@127.0.0.1:9/ cannot be reached" in result.output
    assert SECRET not in result.output + _everything_below(folder.path)
