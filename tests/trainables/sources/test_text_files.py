from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from trainables.config.data import DataConfig
from trainables.data import data_fingerprint, prepare_dataset
from trainables.sampling.checks import check_dataset
from trainables.sources.reading.text_files import read_table
from trainables.sources.table.source import TableImages


@pytest.fixture
def own(tmp_path: Path):
    """Twelve images, each of another colour, and a function that writes the CSV file beside them."""
    for number in range(12):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(tmp_path / f"{number:02d}.png")

    def write(text: str, encoding: str = "utf-8", **source) -> DataConfig:
        tasks = source.pop("tasks", ("kind",))
        (tmp_path / "own.csv").write_bytes(text.encode(encoding))
        table = TableImages.model_validate({"path": tmp_path / "own.csv", "image_column": "file", **source})
        return DataConfig(source=table, tasks=tasks, image_size=8)

    return write


def rows(cells, header="file,kind"):
    """One row an image: its name, and the cell."""
    return "\n".join([header, *(f"{number:02d}.png,{cell}" for number, cell in enumerate(cells))]) + "\n"


def classes(data, tmp_path):
    return prepare_dataset(data, 0, tmp_path / "cache").classes


def test_a_line_break_in_a_quoted_cell_or_header_is_part_of_it(own, tmp_path):
    cells = ['"a\r\nb"', "c"] * 6
    data = own(rows(cells, 'file,"kind\r\n(of shoe)"').replace("\n", "\r\n").replace("\r\r", "\r"))
    data = data.model_copy(update={"tasks": ("kind\n(of shoe)",)})
    assert classes(data, tmp_path) == {"kind\n(of shoe)": ("a\nb", "c")}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_message_names_the_line_of_the_file_whatever_stands_above_it(own, end):
    cells = ["a"] * 12
    text = rows(cells, '"file","kind\nof shoe"').replace("03.png,a", '\n,\n03.png,"two\nlines"')
    text = text.replace("05.png", "missing/../05.png").replace("\n", end)
    # header 1-2; 00 to 02 on 3-5; an empty line and one without values; 03 on 8-9; 04 on 10; 05 on 11
    with pytest.raises(ValueError, match=r"own\.csv, line 11: image 'missing/\.\./05\.png'"):
        data_fingerprint(own(text), 0)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_file_with_another_delimiter_names_the_key(own, delimiter, quote):
    text = "\n".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in [("file", "kind"), ("a", "b")])
    named = {"\t": r"\\t"}.get(delimiter, f"[{delimiter}]")
    with pytest.raises(ValueError, match=rf'own\.csv, line 1: .*data\.source\.delimiter: "{named}"'):
        data_fingerprint(own(text), 0)


def test_a_wrong_delimiter_is_named_where_a_row_shows_it(own):
    text = "file;kind;it was bright, or dark\n00.png;a;b\n"
    with pytest.raises(ValueError, match=r"line 2: .*expected 2 cells, got 1.*data\.source\.delimiter: \";\""):
        data_fingerprint(own(text), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('file,kind\na,b\n\nc,"d\ne,f\n', r"line 4: a cell that begins with a quote must end with one"),
        ("file,kind\na,b\nc,d,e\n", r"line 3: .*expected 2 cells, got 3; a cell that contains the delimiter must"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", r"is a Git LFS pointer; .*git lfs pull"),
        ("<!DOCTYPE html><html>", r"must be a text file, is a web page"),
        ("PK\x03\x04", r"is a zip archive \(or a spreadsheet"),
        ("", r"empty; expected the column names"),
        (",,\n,,\n", r"empty; expected the column names"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(own, text, message):
    with pytest.raises(ValueError, match=message):
        data_fingerprint(own(text), 0)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_text_is_said_to_be_that(own, encoding):
    with pytest.raises(ValueError, match=r"must be text in UTF-8, is UTF-\d\d.*save it as UTF-8"):
        data_fingerprint(own(rows(["a"] * 12), encoding), 0)


def test_lines_and_columns_of_nothing_are_left_out(tmp_path):
    (tmp_path / "own.csv").write_text("\n,file,kind,\n0,a,b,\n,,,\n1,c,d,\n\n")
    table = read_table(tmp_path / "own.csv")
    assert table.columns == {"file": ["a", "c"], "kind": ["b", "d"]}
    assert table.lines == (3, 5)


def test_a_missing_value_is_no_class_and_is_said(own, tmp_path):
    words = ["nan", "NaN", "None", "null", "NULL", "N/A", "#N/A", "<NA>", " "]
    data = own(rows([*words, "NA", "none", "boot"]), tasks=("kind", "kind=boot"))
    dataset = prepare_dataset(data, 3, tmp_path / "cache")
    assert dataset.classes["kind"] == ("NA", "boot", "none")
    labels = [label for split in dataset.splits.values() for label in split.labels.tolist()]
    assert labels.count([-1, -1]) == 9
    notes = " ".join(check_dataset(data, 3, tmp_path / "cache").notes)
    assert "column 'kind': '#N/A' (1), '<NA>' (1), 'N/A' (1), 'NULL' (1), 'NaN' (1), 'None' (1)" in notes
    assert "data.source.missing" in notes


def test_a_class_called_none_is_one_where_the_study_says_what_is_missing(own, tmp_path):
    data = own(rows(["None", "boot", "-"] * 4), missing=["-"])
    assert classes(data, tmp_path) == {"kind": ("None", "boot")}


def test_a_missing_word_that_the_study_names_itself_is_a_value_or_refused(own, tmp_path):
    text = rows(["None", "low", "high"] * 4)
    listed = own(text, labels={"kind": {"kind": "ordinal", "order": ["None", "low", "high"]}})
    assert classes(listed, tmp_path) == {"kind": ("None", "low", "high")}
    with pytest.raises(
        ValueError, match=r"'kind=None': 'None' marks a missing value; remove it from data\.source\.missing to"
    ):
        data_fingerprint(own(text, tasks=("kind=None",)), 0)


def test_an_image_without_a_group_is_a_group_of_its_own(own, tmp_path):
    groups = ["", "nan", "p1", "p1", "p1", "", "", "None", "", "", "", ""]
    text = rows([f"boot,{group}" for group in groups], "file,kind,person")
    data = own(text, group_column="person")
    splits = prepare_dataset(data, 0, tmp_path / "cache").splits
    assert {name: len(split) for name, split in splits.items()} != {"train": 1, "validation": 1, "test": 10}
    assert len(splits["train"]) >= 5
    with_people = [{image[0, 0, 0] // 20 for image in split.images} & {2, 3, 4} for split in splits.values()]
    assert sorted(map(len, with_people)) == [0, 0, 3]
    assert "9 images have no group; each forms its own" in " ".join(check_dataset(data, 0, tmp_path / "cache").notes)


@pytest.mark.parametrize("order", [[], ["38", "39", "40.5"]])
def test_equal_numbers_of_an_ordinal_are_one_class(own, tmp_path, order):
    sizes = ["38", "38.0", "39.00", "39", "40.5", "40.50"] * 2
    data = own(rows(sizes), labels={"kind": {"kind": "ordinal", "order": order}}, tasks=("kind", "kind=38.00"))
    dataset = prepare_dataset(data, 0, tmp_path / "cache")
    assert dataset.classes == {"kind": ("38", "39", "40.5"), "kind=38.00": ("no", "yes")}
    labels = [label for split in dataset.splits.values() for label in split.labels.tolist()]
    assert sorted(labels) == [[0, 1]] * 4 + [[1, 0]] * 4 + [[2, 0]] * 4
    with pytest.raises(ValueError, match=r"values of order must differ, also as numbers"):
        own(rows(sizes), labels={"kind": {"kind": "ordinal", "order": ["38", "38.0"]}})


@pytest.mark.parametrize("again", ["./00.png", "00.png", ".//00.png", ".\\00.png", "{folder}/00.png"])
def test_an_image_is_listed_once_however_its_path_is_written(own, tmp_path, again):
    text = rows(["a"] * 12).replace("04.png", again.format(folder=tmp_path))
    with pytest.raises(ValueError, match=r"own\.csv, line 6: '00\.png' is already listed on line 2; list it once"):
        data_fingerprint(own(text), 0)


def test_names_that_the_file_system_takes_for_one_file_are_one(own, tmp_path):
    (tmp_path / "00.PNG").hardlink_to(tmp_path / "00.png")  # as on a file system that ignores capitals
    with pytest.raises(ValueError, match=r"line 6: '00\.png' is already listed on line 2"):
        data_fingerprint(own(rows(["a"] * 12).replace("04.png", "00.PNG")), 0)
    (tmp_path / "00.PNG").unlink()
    (tmp_path / "00.PNG").write_bytes((tmp_path / "00.png").read_bytes())
    assert data_fingerprint(own(rows(["a"] * 12).replace("04.png", "00.PNG")), 0)


def test_a_path_means_the_same_data_however_it_is_written(own, tmp_path):
    base = data_fingerprint(own(rows(["a", "b"] * 6)), 0)
    written = [f"./{n:02d}.png" if n % 2 else f"{tmp_path}/{n:02d}.png" for n in range(12)]
    text = "\n".join(["file,kind", *(f"{name},{'ab'[n % 2]}" for n, name in enumerate(written))])
    assert data_fingerprint(own(text), 0) == base
    with pytest.raises(ValueError, match=r"image 'C:\\\\pictures\\\\00\.png': must be a path inside"):
        data_fingerprint(own(rows(["a"] * 12).replace("00.png", "C:\\pictures\\00.png")), 0)


def test_a_split_may_be_spelt_as_people_do(own, tmp_path):
    text = rows(
        [f"a,{split}" for split in ("Train", "training", "dev", "VALID", "test", "Testing")] * 2, "file,kind,split"
    )
    dataset = prepare_dataset(own(text), 0, tmp_path / "cache")
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 4, "validation": 4, "test": 4}


def test_a_cell_may_be_as_long_as_a_text_is(own, tmp_path):
    data = own(rows([f"a,{'x' * 200_000}", "b,"] * 6, "file,kind,caption"))
    assert classes(data, tmp_path) == {"kind": ("a", "b")}


@pytest.mark.parametrize("word", ["", "nan", "None"])
def test_a_row_that_names_no_image_is_refused_by_its_line(own, word):
    with pytest.raises(ValueError, match=r"own\.csv, line 5, column 'file': each row must name an image"):
        data_fingerprint(own(rows(["a", "b"] * 6).replace("03.png", word)), 0)
