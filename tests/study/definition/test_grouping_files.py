from __future__ import annotations

from pathlib import Path

import pytest

from study.definition.loading import dump_study, load_study
from study.errors import UserError
from study.plan.plan import compile_plan

STUDY = """
name: x
data: {{source: {{kind: generated}}, tasks: [Smiling, Hat, Glasses, Beard], image_size: 48}}
network: {{width: 0.0625}}
space: {{blocks: [{{grouping: {levels}}}], nuisance: {{}}}}
"""
GROUPINGS = (
    "groupings: {tag-2: [[Smiling, Beard], [Hat, Glasses]], tag-3: [[Smiling], [Beard], [Hat, Glasses]], odd: 3}\n"
)


def study_with(folder: Path, levels: str) -> Path:
    (folder / "affinity.yaml").write_text(GROUPINGS)
    path = folder / "study.yaml"
    path.write_text(STUDY.format(levels=levels))
    return path


def test_groups_come_from_the_file_and_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = """[
        {groups: {file: affinity.yaml, name: tag-2}},
        {groups: {file: affinity.yaml, name: tag-3}, level: network, name: mine},
        {groups: {shuffled: {file: affinity.yaml, name: tag-2}, seed: 4}}]"""
    path = study_with(tmp_path, levels)
    monkeypatch.chdir("/")  # the file is found beside the study file, not where the command runs
    plan = compile_plan(load_study(path))
    assert [arm.arm.name for arm in plan.arms] == ["late+tag-2", "late+mine", "late+tag-2-shuffled-4"]
    assert plan.arms[0].config.modulation.groups == (("Smiling", "Beard"), ("Hat", "Glasses"))
    assert plan.arms[1].config.network_groups == (("Smiling",), ("Hat", "Glasses"), ("Beard",))

    by_hand = levels.replace("{file: affinity.yaml, name: tag-2}", "[[Hat, Glasses], [Beard, Smiling]]")
    written = compile_plan(load_study(study_with(tmp_path, by_hand)))
    assert [arm.arm.arm_id for arm in written.arms] == [arm.arm.arm_id for arm in plan.arms]

    (tmp_path / "affinity.yaml").unlink()
    path.write_text(dump_study(plan.definition))
    again = compile_plan(load_study(path))
    assert [arm.arm for arm in again.arms] == [arm.arm for arm in plan.arms]


def test_one_level_without_its_list(tmp_path: Path) -> None:
    plan = compile_plan(load_study(study_with(tmp_path, "{groups: {file: affinity.yaml, name: tag-2}}")))
    assert [arm.arm.name for arm in plan.arms] == ["late+tag-2"]


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ("{file: affinty.yaml, name: tag-2}", ".file: affinty.yaml: cannot be read: No such file or directory"),
        ("{file: affinity.yaml}", ".name: expected text, got None"),
        ("{file: affinity.yaml, nam: tag-2}", ".nam: unknown key; did you mean 'name'?"),
        ("{file: study.yaml, name: tag-2}", ".file: {path}/study.yaml: has no mapping 'groupings' from names"),
        ("{file: affinity.yaml, name: tag-4}", ".name: {path}/affinity.yaml has no grouping 'tag-4'; did you mean"),
        ("{file: affinity.yaml, name: odd}", "expected a list of lists of task names or a name, got 3"),
        ("{shuffled: {file: affinity.yaml, name: tag-9}}", ".shuffled.name: {path}/affinity.yaml has no grouping"),
        ("{shuffled: {name: tag-2}}", ".shuffled.file: expected text, got None"),
    ],
)
def test_what_is_refused(tmp_path: Path, groups: str, problem: str) -> None:
    path = study_with(tmp_path, f"[per_task, {{groups: {groups}}}]")
    with pytest.raises(UserError) as caught:
        load_study(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: space.blocks[0].grouping[1].groups")
    assert problem.replace("{path}", str(tmp_path)) in message
    assert "\n" not in message


def test_a_file_of_other_tasks_is_refused_when_the_study_is_planned(tmp_path: Path) -> None:
    path = study_with(tmp_path, "{groups: {file: affinity.yaml, name: tag-2}}")
    path.write_text(path.read_text().replace("Glasses", "Hair_Colour"))
    with pytest.raises(UserError, match=r"space.blocks\[0\].grouping: unknown task 'Glasses'"):
        compile_plan(load_study(path))
