from __future__ import annotations

import shutil
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from trainables.config.data import DataConfig
from trainables.data import data_fingerprint, prepare_dataset
from trainables.sampling.checks import check_dataset
from trainables.sources.reading.pixels import decode_image
from trainables.sources.zappos.labels import inches
from trainables.sources.zappos.source import Zappos50kImages

CONDITIONS = ("class", "closure", "gender", "heel")


@pytest.fixture(scope="session")
def shoes(layouts, fashion_shoes):
    return layouts.read_shoes(fashion_shoes)


@pytest.fixture
def official(layouts, shoes, tmp_path):
    return layouts.write_zappos(shoes, tmp_path / "zappos")


def config(root, tasks=CONDITIONS, source=None, **settings):
    return DataConfig(source=Zappos50kImages(path=root, **(source or {})), tasks=tasks, image_size=16, **settings)


def everything(dataset):
    """Return the class names of every image by the bytes of its pixels."""
    return {
        image.tobytes(): tuple(
            dataset.classes[task][label] if label >= 0 else None
            for task, label in zip(dataset.tasks, labels, strict=True)
        )
        for split in dataset.splits.values()
        for image, labels in zip(split.images, split.labels, strict=True)
    }


def test_conditions_are_columns_and_colours_of_a_shoe_stay_together(shoes, official, tmp_path):
    dataset = prepare_dataset(config(official), 3, tmp_path / "cache")
    sizes = {name: len(split) for name, split in dataset.splits.items()}
    assert sizes == {"train": 42, "validation": 6, "test": 12}
    assert dataset.classes["heel"] == ("Flat", "Under 1in", "1in - 1 3/4in", "5in & over")
    assert dataset.classes["closure"] == ("Buckle", "Elastic Gore;Slip-On", "Lace up")
    found = everything(dataset)
    for row, data in zip(shoes.rows, shoes.images, strict=True):
        _, category, _, heel, _, closure, gender, *_ = row
        closure = {"Slip-On;Elastic Gore": "Elastic Gore;Slip-On"}.get(closure, closure)
        expected = (category, closure or None, gender, heel or None)
        assert found[decode_image(data, 16, "crop").tobytes()] == expected
    split_of = {image.tobytes(): name for name, split in dataset.splits.items() for image in split.images}
    products: dict[str, set[str]] = {}
    for row, data in zip(shoes.rows, shoes.images, strict=True):
        split = split_of[decode_image(data, 16, "crop").tobytes()]
        products.setdefault(row[0].split("-")[0], set()).add(split)
    assert all(len(splits) == 1 for splits in products.values())
    assert data_fingerprint(config(official), 4) != dataset.fingerprint  # another split
    assert data_fingerprint(config(official), 3) == dataset.fingerprint


def test_columns_values_and_binary_columns_are_tasks(shoes, official, tmp_path):
    tasks = ("Category", "Category.Boots", "Closure=Slip-On", "Gender=Girls", "HeelHeight")
    dataset = prepare_dataset(config(official, tasks), 0, tmp_path / "cache")
    found = Counter(labels[1:4] for labels in everything(dataset).values())
    expected = Counter(
        (
            "yes" if row[1] == "Boots" else "no",
            ("yes" if "Slip-On" in row[5].split(";") else "no") if row[5] else None,
            "yes" if "Girls" in row[6].split(";") else "no",
        )
        for row in shoes.rows
    )
    assert found == expected
    known = Zappos50kImages(path=official).known_tasks()
    assert {*CONDITIONS, "Material", "Category.Shoes"} <= set(known)


@pytest.mark.parametrize(("rule", "value"), [("first", "Slip-On"), ("unlabelled", None)])
def test_rules_for_cells_of_several_values(shoes, official, tmp_path, rule, value):
    data = config(official, ("closure", "heel"), {"multi_valued": rule, "heel_bins": (0.1, 2)})
    dataset = prepare_dataset(data, 0, tmp_path / "cache")
    found = everything(dataset)
    row = next(number for number, row in enumerate(shoes.rows) if row[5] == "Slip-On;Elastic Gore")
    assert found[decode_image(shoes.images[row], 16, "crop").tobytes()][0] == value
    assert dataset.classes["heel"] == ("below 0.1", "0.1 to below 2", "2 and above")
    heels = Counter(labels[1] for labels in found.values())
    assert heels["below 0.1"] == sum(row[3] == "Flat" for row in shoes.rows)
    assert heels["0.1 to below 2"] == sum(row[3] in ("Under 1in", "1in - 1 3/4in") for row in shoes.rows)


def test_heights_in_inches():
    official = ["Flat", "Under 1in", "1in - 1 3/4in", "2in - 2 3/4in", "3in - 3 3/4in", "4in - 4 3/4in", "5in & over"]
    assert [inches(value) for value in official] == [0, 0.5, 1, 2, 3, 4, 5]
    assert inches("1 3/4 in") == 1.75
    with pytest.raises(ValueError, match="'High' is not a height in inches"):
        inches("High")


def triplets_of(shoes, task_column, rows, count=30, seed=0):
    """Lines of anchor, far, close, as released."""
    value = {row: shoes.rows[row][task_column] for row in rows}
    valid = [(a, f, c) for a, f, c in permutations(rows, 3) if value[a] == value[c] != value[f]]
    return [valid[index] for index in np.random.default_rng(seed).choice(len(valid), count, replace=False)]


@pytest.fixture
def released(layouts, shoes, official):
    """The CSN lists beside the tree; brands end in %2E in the list and in a dot on disk."""
    parts = {"train": list(range(40)), "val": list(range(40, 48)), "test": list(range(48, 60))}
    lists = {
        (task, split): triplets_of(shoes, column, rows, seed=len(split))
        for task, column in (("class", 1), ("gender", 6))
        for split, rows in parts.items()
    }
    layouts.write_csn(official, [path.replace("B./", "B%2E/") for path in shoes.paths], lists)
    return official, lists


def test_released_triplets_are_turned_and_kept_as_they_are(shoes, released, tmp_path):
    root, lists = released
    data = config(root, ("class", "gender", "heel=Flat"), {"triplets": "released"})
    dataset = prepare_dataset(data, 0, tmp_path / "cache")
    assert dataset.corrupt == ()  # %2E is found as a dot
    for split, short in (("train", "train"), ("validation", "val"), ("test", "test")):
        part = dataset.splits[split]
        assert set(part.triplets) == {"class", "gender"}
        for task in part.triplets:
            lines, found = lists[task, short], part.triplets[task]
            assert found.shape == (30, 3)
            for (anchor, far, close), rows in zip(lines, found, strict=True):
                pixels = [decode_image(shoes.images[line], 16, "crop") for line in (anchor, close, far)]
                assert all(np.array_equal(part.images[row], image) for row, image in zip(rows, pixels, strict=True))
            labels = part.labels[:, dataset.tasks.index(task)][found]
            assert (labels[:, 0] == labels[:, 1]).all()
            assert (labels[:, 0] != labels[:, 2]).all()


def test_the_trap_the_other_way_round(layouts, shoes, tmp_path):
    root = layouts.write_zappos(shoes, tmp_path / "reverse", dots="%2E")
    lists = {
        ("class", split): triplets_of(shoes, 1, list(rows), count=6)
        for split, rows in (("train", range(30)), ("val", range(30, 45)), ("test", range(45, 60)))
    }
    layouts.write_csn(root, [f"ut-zap50k-images/{path}" for path in shoes.paths], lists)
    data = config(root, ("class",), {"triplets": "released"})
    assert prepare_dataset(data, 0, tmp_path / "cache").corrupt == ()


def test_triplets_of_a_missing_image_are_dropped_with_it(shoes, released, tmp_path):
    root, lists = released
    line = lists["class", "test"][0][0]
    (root / "ut-zap50k-images" / shoes.paths[line]).unlink()
    data = config(root, ("class",), {"triplets": "released"}, max_corrupt_share=0.1)
    dataset = prepare_dataset(data, 0, tmp_path / "cache")
    kept = [triplet for triplet in lists["class", "test"] if line not in triplet]
    assert len(dataset.splits["test"].triplets["class"]) == len(kept) < 30
    assert dataset.splits["test"].triplets["class"].max() < len(dataset.splits["test"])
    assert len(dataset.corrupt) == 1


def test_a_trial_on_released_triplets_without_any_label(layouts, shoes, released, train_tiny):
    root, _ = released
    shutil.rmtree(root / "ut-zap50k-data")
    assert Zappos50kImages.detect(root).triplets == "released"
    source = {"kind": "zappos50k", "path": str(root), "triplets": "released"}
    outcome = train_tiny(source, ["class", "gender"], scheme="triplets")
    assert {(row.metric, row.average) for row in outcome.task_metrics} == {("triplet_accuracy", "query")}
    assert {row.queries for row in outcome.task_metrics} == {30}  # whole, though 20 are drawn where none are given


def test_a_trial_on_released_triplets_with_labels(released, train_tiny):
    source = {"kind": "zappos50k", "path": str(released[0]), "triplets": "released"}
    outcome = train_tiny(source, ["class", "gender"], scheme="triplets")
    assert {"triplet_accuracy", "recall_at_1"} <= {row.metric for row in outcome.task_metrics}


def test_a_trial_on_drawn_triplets(official, train_tiny):
    assert train_tiny({"kind": "zappos50k", "path": str(official)}, ["class", "gender"]).finished


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("filenames.json", '["a.jpg"]\n', r"filenames\.json, line 1: expected one image path per line, got JSON"),
        (
            "tripletlists/class_tripletlist_val.txt",
            "0 1 99\n",
            r"class_tripletlist_val\.txt, line 1: expected three nu",
        ),
        ("tripletlists/class_tripletlist_val.txt", "0 1 2\n3 4\n", r"val\.txt, line 2: expected three .* got '3 4'"),
        ("tripletlists/class_tripletlist_test.txt", None, r"class_tripletlist_test\.txt: cannot be read: No such file"),
    ],
)
def test_broken_lists_are_named(released, name, text, message):
    path = released[0] / "data" / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ValueError, match=message):
        data_fingerprint(config(released[0], ("class",), {"triplets": "released"}), 0)


def test_what_does_not_fit_is_named(layouts, shoes, official, tmp_path):
    with pytest.raises(ValueError, match=r"UT-Zappos50K has no task 'Closur'; did you mean 'Closure'"):
        data_fingerprint(config(official, ("Closur",)), 0)
    with pytest.raises(ValueError, match=r"no cell contains 'Buckel'; did you mean 'Buckle'"):
        data_fingerprint(config(official, ("closure=Buckel",)), 0)
    with pytest.raises(ValueError, match=r"released triplets are missing; looked for data/filenames\.json"):
        data_fingerprint(config(official, source={"triplets": "released"}), 0)
    layouts.write_zappos(shoes, official, images="ut-zap50k-images-square")
    with pytest.raises(ValueError, match=r"holds ut-zap50k-images and ut-zap50k-images-square; name one"):
        data_fingerprint(config(official), 0)
    square = config(official, source={"images": "ut-zap50k-images-square"})
    shutil.rmtree(official / "ut-zap50k-images-square")
    with pytest.raises(ValueError, match="images are missing; looked for ut-zap50k-images-square/"):
        data_fingerprint(square, 0)
    table = official / "ut-zap50k-data" / "meta-data.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(ValueError, match=r"meta-data\.csv, line 62: '7000000-30' is already listed on line 2"):
        data_fingerprint(config(official), 0)
    table.unlink()
    (official / "ut-zap50k-data" / "meta-data-bin.csv").unlink()
    with pytest.raises(ValueError, match=r"no meta-data\.csv; looked for it there"):
        data_fingerprint(config(official), 0)


def test_the_check_finds_images_in_the_lists_of_two_splits(layouts, shoes, released, tmp_path):
    root, lists = released
    layouts.write_csn(root, shoes.paths, {("class", "test"): [*lists["class", "test"], lists["class", "train"][0]]})
    found = check_dataset(config(root, ("class",), {"triplets": "released"}), 0, tmp_path / "cache")
    first = shoes.paths[min(lists["class", "train"][0])]
    assert found.notes == (f"3 images are in the triplet lists of both train and test, the first {first}",)
    assert found.duplicates.pairs["test in train"] == 3
    assert f"train {first} = test {first}" in [" = ".join(group) for group in found.duplicates.across]
    (leak,) = found.must_fix
    assert leak.startswith("data.max_duplicate_share: 3 of 23 validation and test images (13.04%)")
