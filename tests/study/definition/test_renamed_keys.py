"""Old names of keys: accepted with a notice, refused beside the new ones, without an effect on plans and ids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from study.definition.loading import dump_study, load_study, read_study
from study.definition.renamed_keys import RENAMED
from study.errors import UserError
from study.layout import RunFolder
from study.plan.document import planned_definition, write_plan
from study.plan.plan import compile_plan
from study.plan.run_files import study_as_run, write_study_as_run
from trainables.config.identity import trial_id

HEAD = "name: old\ndata: {source: {kind: generated}, tasks: [Hat, Smiling], image_size: 48}\n"
BATCHES = "batches: {scheme: triplets, NAME: 12}\n"


def written(home: Path, text: str, name: str = "batch_size") -> Path:
    path = home / f"{name}.yaml"
    path.write_text(HEAD + text.replace("NAME", name))
    return path


def test_an_old_key_means_the_new_one_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    new = load_study(written(tmp_path, BATCHES))
    assert not caplog.records
    path = written(tmp_path, BATCHES, "images")
    assert load_study(path) == new
    (notice,) = caplog.messages
    assert notice.startswith(f"{path}: batches.images is now called batches.batch_size; ")


def test_the_command_tells_it_on_stderr(tmp_path: Path) -> None:
    path = written(tmp_path, BATCHES + "space: {blocks: [{placement: [none]}]}\n", "images")
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "study", "plan", str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("batches.images is now called batches.batch_size") == 1


@pytest.mark.parametrize("key", RENAMED)
def test_a_key_by_both_names_is_refused(tmp_path: Path, key: str) -> None:
    *sections, old = key.split(".")
    new = ".".join((*sections, RENAMED[key]))
    section: dict[str, object] = {old: [12, 24], RENAMED[key]: [12, 24]}
    for name in reversed(sections):
        section = {name: section}
    path = written(tmp_path, yaml.safe_dump(section))
    with pytest.raises(UserError) as refused:
        load_study(path)
    assert str(refused.value) == f"{path}: {new}: also given by its old name, {key}; keep {new}"


def test_no_trial_id_moves(tmp_path: Path) -> None:
    new, old = (compile_plan(load_study(written(tmp_path, BATCHES, name))) for name in ("batch_size", "images"))
    configs = [[arm.config for arm in plan.arms] for plan in (new, old)]
    assert configs[0] == configs[1]
    assert configs[0][0].model_dump(mode="json", exclude_defaults=True)["batches"] == {
        "scheme": "triplets",
        "images": 12,
    }
    assert trial_id(configs[0][0], "0123456789abcdef") == "90385c686ec8c0eb"


def test_nuisance_by_the_old_name_is_the_same_space(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tuned = "space: {catalog: default, nuisance: {NAME: [12, 24], margin: [0.1, 0.2]}}\n"
    new, old = (load_study(written(tmp_path, tuned, name)) for name in ("batch_size", "images_per_batch"))
    assert new == old
    assert list(new.space.nuisance) == ["margin", "images_per_batch"]  # as recorded in journals, tables and MLflow
    assert [message.partition(": ")[2].split(" is ")[0] for message in caplog.messages] == [
        "space.nuisance.images_per_batch"
    ]
    assert yaml.safe_load(dump_study(old))["space"]["nuisance"] == {"margin": [0.1, 0.2], "batch_size": [12, 24]}
    fixed = load_study(written(tmp_path, "space: {catalog: default, fixed: {NAME: 12}}\n"))
    assert {arm.config.batches.batch_size for arm in compile_plan(fixed).arms} == {12}


@pytest.mark.parametrize(
    ("space", "problem"),
    [
        ("nuisance: {batch_size: [2, 4]}", "space.nuisance.batch_size: must be at least 3, got 2"),
        ("nuisance: {batch_sise: [3, 4]}", "space.nuisance.batch_sise: unknown key; did you mean 'batch_size'?"),
        (
            "nuisance: {batch_size: [3, 4]}, fixed: {batch_size: 3}",
            "space.fixed.batch_size: also has a range under nuisance.batch_size; keep one of them",
        ),
    ],
)
def test_messages_name_the_key_as_it_is_written(tmp_path: Path, space: str, problem: str) -> None:
    with pytest.raises(UserError) as refused:
        load_study(written(tmp_path, f"space: {{catalog: default, {space}}}\n"))
    assert problem in str(refused.value)


def test_a_run_folder_is_read_without_notice_and_written_by_the_new_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    definition = read_study(written(tmp_path, BATCHES, "images"))
    folder = RunFolder(tmp_path / "run")
    write_plan(compile_plan(definition), folder)
    write_study_as_run(definition, folder)
    text = folder.definition.read_text()
    assert "batch_size: 12" in text
    folder.definition.write_text(text.replace("batch_size", "images"))
    assert study_as_run(folder) == planned_definition(folder) == definition
    assert yaml.safe_load(dump_study(study_as_run(folder)))["batches"] == {"scheme": "triplets", "batch_size": 12}
    assert not caplog.records
