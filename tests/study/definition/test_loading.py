from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.definition.loading import built_in_studies, dump_study, load_study
from study.errors import UserError

BASE = "name: x\ndata: {source: {kind: generated}, tasks: [Smiling, Hat]}\n"


def problem_with(tmp_path: Path, text: str) -> str:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_study(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty; a study needs at least name and data"),
        ("# nothing\n", "the file is empty; a study needs at least name and data"),
        ("- a\n", "expected a mapping of sections (name, data, ...), got list"),
        ("name: [a\n", "line 2, column 1: expected ',' or ']', but got '<stream end>'"),
        ("name:\tx\n\tdata: y\n", "line 1, column 6: found character '\\t' that cannot start any token"),
        ("name: x\nname: y\n", "line 2, column 1: key 'name' is given twice"),
        (BASE + "loss: {margin: 1, margin: 2}\n", "line 3, column 19: key 'margin' is given twice"),
        (BASE + "1: 2\n", "line 3, column 1: keys must be text, got 1; unquoted, 1 is a number to YAML: write '1'"),
        ("name: x\n", "data: missing; this key is required"),
        ("name: x\ndescription: &a [*a]\n", "line 2, column 18: an alias (*name) is inside the value it names"),
        (
            'name: x\ndata: {source: {kind: parquet, path: "a\\0b"}, tasks: [a]}\n',
            "data.source.path: 'a\\x00b' is not a path: embedded null byte",
        ),
        (
            BASE + "network: {weights: {path: s3://b/w.safetensors}}\n",
            "network.weights.path: s3://b/w.safetensors is a URL; name a path, which every node that trains must have",
        ),
        (
            (
                "name: x\ndata: {tasks: [Hat]}\nbatches: {scheme: triplets, batch_size: 6}\n"
                "space: {catalog: default, nuisance: {batch_size: {low: 3, high: 30}}}\n"
            ),
            "space.nuisance.batch_size: the scheme triplets needs a list of multiples of 3 (3 x tasks)",
        ),
        (BASE + "optimisation: {}\n", "optimisation: unknown key; did you mean 'optimization'?"),
        (
            BASE + "optimization: {learning_rat: 1e-3}\n",
            "optimization.learning_rat: unknown key; did you mean 'learning_rate'?",
        ),
        (
            "name: x\ndata: {source: {kind: generated, train_imags: 3}, tasks: [a]}\n",
            "data.source.train_imags: unknown key; did you mean 'train_images'?",
        ),
        (
            "name: x\ndata: {source: {kind: parquet, path: p, test_images: 3}, tasks: [a]}\n",
            "data.source.test_images: unknown key; known: kind, missing, path",
        ),
        (
            "name: x\ndata: {source: {kind: parket}, tasks: [a]}\n",
            "data.source.kind: unknown value 'parket'; did you mean 'parquet'?",
        ),
        ("name: x\ndata: {source: {}, tasks: [a]}\n", "data.source.kind: missing; this key is required"),
        (BASE + "batches: {scheme: all_task}\n", "batches.scheme: unknown value 'all_task'; did you mean 'all_tasks'?"),
        (BASE + "network: {width: wide}\n", "network.width: should be a valid number, got 'wide'"),
        (BASE + "network: {width: -1}\n", "network.width: should be greater than 0, got -1"),
        (
            BASE + "network: {points: [conv1]}\n",
            "network.points is for networks by import path (module:function), not for 'simplenet'",
        ),
        (
            BASE + 'network: {backbone: "mine:make"}\n',
            "network.points: name modules of 'mine:make' after which modulation may sit",
        ),
        (
            BASE + "network: {weights: {path: x, contnt: y}}\n",
            "network.weights.contnt: unknown key; did you mean 'content'?",
        ),
        (BASE + "network: 3\n", "network: should be a mapping, got 3"),
        (BASE + "network:\n", "network: should be a mapping, got None"),
        (BASE + "optimization: {epochs: '3'}\n", "optimization.epochs: should be a valid integer, got '3'"),
        (BASE + "search: {trials_per_arm: true}\n", "search.trials_per_arm: should be a valid integer, got True"),
        (BASE + "loss: {margin: .nan}\n", "loss.margin: should be a finite number, got nan"),
        (BASE.replace("[Smiling, Hat]", "Smiling"), "data.tasks: should be a list, got 'Smiling'"),
        (BASE.replace("[Smiling, Hat]", "[Hat, Hat]"), "data: tasks must be distinct, got ['Hat', 'Hat']"),
        (
            BASE.replace("name: x", "name: ../x"),
            "name: should be lower-case letters, digits, '.', '_' and '-', the first a letter or a digit, got '../x'",
        ),
        ("name: x\ndata: {tasks: []}\n", "data.tasks: should have at least 1 entry, got []"),
        (
            BASE + "network: {weights: {path: w, content: abc}}\n",
            "network.weights.content: should be 32 hexadecimal digits, got 'abc'",
        ),
        (BASE + "space: defalt\n", "space: unknown search space 'defalt'; did you mean 'default'?"),
        (
            BASE + "space: {blocks: [{placment: [late]}]}\n",
            "space.blocks[0].placment: unknown key; did you mean 'placement'?",
        ),
        (
            BASE + "space: {catalog: default, nuisance: {learning_rat: {low: 1, high: 2}}}\n",
            "space.nuisance.learning_rat: unknown key; did you mean 'learning_rate'?",
        ),
        (
            BASE + "confirm: {seeds: [0, 1]}\n",
            "confirm.seeds must be fresh: [0, 1] holds seeds.tune_seed 0",
        ),
        (BASE + "confirm: {seeds: [1, 1]}\n", "confirm: seeds must be distinct and not negative, got [1, 1]"),
        (
            BASE + "evaluation: {splits: [test]}\n",
            "evaluation.splits follows from the stage (tune: validation; confirm: also test); leave it out",
        ),
        (BASE + "compute: {threads: 2}\n", "compute.threads follows from resources.cpus; leave it out"),
        (
            BASE + "batches: {scheme: triplets, batch_size: 10}\n",
            "batches.batch_size must be a multiple of 6 (3 x tasks) in the scheme triplets, got 10",
        ),
        (
            BASE + "search: {halving: {rungs: [5]}}\n",
            "search.halving.rungs must be below optimization.epochs 5, got [5]",
        ),
        (
            BASE + "search: {halving: {rungs: [2, 1]}}\n",
            "search.halving: rungs must be ascending epochs from 1, got [2, 1]",
        ),
    ],
)
def test_a_broken_study_file_is_refused_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    assert problem_with(tmp_path, text) == problem


TABLE = "name: x\ndata: {source: {kind: table, path: a.csv, %s}, tasks: [%s]}\n"


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        (
            TABLE % ("labels: {heel: {kind: ordinal, order: [no, yes]}}", "heel"),
            "data.source.labels.heel.order[0]",
            "no",
        ),
        (TABLE % ("labels: {off: {kind: ordinal}}", "heel"), "line 2, column 52", "off"),
        (TABLE % ("missing: ['', null, -1]", "heel"), "data.source.missing[1]", "null"),
        (TABLE % ("missing: ['', '~', -1]", "heel"), "data.source.missing[2]", "-1"),
        (TABLE % ("group_column: Off", "heel"), "data.source.group_column", "Off"),
        (TABLE % ("image_column: 010", "heel"), "data.source.image_column", "010"),
        (TABLE % ("image_column: file", "heel, 12:30"), "data.tasks[1]", "12:30"),
        (TABLE % ("image_column: file", "1.50"), "data.tasks[0]", "1.50"),
        (BASE + "balancing: {method: on}\n", "balancing.method", "on"),
        (BASE + "description: ~\n", "description", "~"),
        (BASE.replace("name: x", "name: 1e3"), "name", "1e3"),
        (BASE.replace("kind: generated", "kind: no"), "data.source.kind", "no"),
        (
            BASE + "space: {blocks: [{grouping: [{groups: [[Smiling, Hat], [no]]}]}]}\n",
            "space.blocks[0].grouping[0].groups[1][0]",
            "no",
        ),
    ],
)
def test_a_word_that_yaml_takes_for_something_else_is_to_be_quoted(
    tmp_path: Path, text: str, key: str, word: str
) -> None:
    problem = problem_with(tmp_path, text)
    assert problem.startswith(f"{key}: ")
    assert re.search(
        rf"; unquoted, {re.escape(word)} is (a boolean|nothing|a number) to YAML: write '{word}'$", problem
    )


def test_a_date_is_the_name_it_is_written_as(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(TABLE % ("image_column: 2024-01-01", "2001-12-14T21:59:43Z, 2024-02-29"))
    data = load_study(path).data
    assert data.tasks == ("2001-12-14T21:59:43Z", "2024-02-29")
    assert data.source.model_dump()["image_column"] == "2024-01-01"


@pytest.mark.parametrize("delimiter", ["tab", "'\\t'", '"\\n"', "''"])
def test_a_delimiter_that_cannot_split_says_how_a_tab_is_written(tmp_path: Path, delimiter: str) -> None:
    problem = problem_with(tmp_path, TABLE % (f"delimiter: {delimiter}", "a"))
    assert problem.startswith("data.source.delimiter: must be one character")
    assert '(a tab is "\\t", in double quotes)' in problem


def test_further_problems_are_counted(tmp_path: Path) -> None:
    assert problem_with(tmp_path, BASE + "los: {}\nsede: {}\n").endswith("(and 1 more)")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such study file$"):
        load_study(tmp_path / "study.yaml")
    with pytest.raises(UserError, match="defalt: no such study file; did you mean 'default'"):
        load_study(Path("defalt"))
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load_study(tmp_path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(UserError, match=r"not a text file in UTF-8 \(invalid start byte at byte 6\)"):
        load_study(path)


def test_python_objects_in_yaml_are_refused(tmp_path: Path) -> None:
    problem = problem_with(tmp_path, "name: !!python/object/apply:os.getcwd []\n")
    assert problem.startswith("line 1, column 7: could not determine a constructor for the tag")


def test_numbers_in_scientific_notation_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(BASE + "optimization: {learning_rate: 2e-3, weight_decay: 1E-4}\nloss: {margin: 1}\n")
    definition = load_study(path)
    assert (definition.optimization.learning_rate, definition.optimization.weight_decay) == (0.002, 0.0001)
    assert definition.loss.margin == 1.0


def test_a_relative_data_path_is_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "study.yaml"
    path.write_text("name: x\ndata: {source: {kind: parquet, path: ../images}, tasks: [a]}\n")
    monkeypatch.chdir(tmp_path)
    definition = load_study(Path("studies/study.yaml"))
    assert definition.data.source.model_dump()["path"] == tmp_path / "images"


def test_paths_of_a_network_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "study.yaml"
    monkeypatch.chdir(tmp_path)
    path.write_text(BASE + "network: {backbone: csn_resnet18, weights: {path: ../resnet18.pth}}\n")
    weights = load_study(Path("studies/study.yaml")).network.weights
    assert weights is not None
    assert weights.path == tmp_path / "resnet18.pth"
    path.write_text(BASE + 'network: {backbone: "mine:make", points: [stem]}\n')
    assert load_study(Path("studies/study.yaml")).network.folder == tmp_path / "studies"
    path.write_text(BASE + 'network: {backbone: "mine:make", points: [stem], folder: ../code}\n')
    assert load_study(Path("studies/study.yaml")).network.folder == tmp_path / "code"


@pytest.mark.parametrize("name", ["default", "smoke"])
def test_built_in_studies_are_found_by_name(name: str) -> None:
    assert name in built_in_studies()
    assert load_study(Path(name)).name == name


@pytest.mark.parametrize("name", ["default", "smoke"])
def test_a_dumped_study_reads_back_the_same(tmp_path: Path, name: str) -> None:
    definition = load_study(Path(name))
    path = tmp_path / "study.yaml"
    path.write_text(dump_study(definition))
    assert load_study(path) == definition


def test_a_table_of_images_given_as_a_study_is_answered_with_the_command_for_it(tmp_path: Path) -> None:
    (tmp_path / "shoes.csv").write_text("file\n1.png\n")
    with pytest.raises(UserError, match=r"for a table of images: modstudy new STUDY\.yaml --data .*shoes\.csv"):
        load_study(tmp_path / "shoes.csv")
