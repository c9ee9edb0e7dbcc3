from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest

from trainables.config.data import DataConfig
from trainables.data import data_fingerprint, prepare_dataset
from trainables.sources.celeba.source import CelebaImages
from trainables.sources.reading.pixels import decode_image

TASKS = ("Smiling", "Eyeglasses", "identity")


@pytest.fixture(scope="session")
def faces(layouts, celeba10k):
    return layouts.read_faces(celeba10k)


@pytest.fixture
def official(layouts, faces, tmp_path):
    return layouts.write_official(faces, tmp_path / "CelebA-official")


def config(root, tasks=TASKS, **settings):
    return DataConfig(source=CelebaImages(path=root), tasks=tasks, image_size=16, **settings)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_official_layout_keeps_partition_labels_and_pixels(faces, official, tmp_path):
    dataset = prepare_dataset(config(official), 0, tmp_path / "cache")
    smiling = (np.array(faces.attributes["Smiling"]) == 1).astype(int)
    for flag, split in enumerate(("train", "validation", "test")):
        rows = np.flatnonzero(np.array(faces.flags) == flag)
        found = dataset.splits[split]
        assert found.labels[:, 0].tolist() == smiling[rows].tolist()
        people = [dataset.classes["identity"][label] for label in found.labels[:, 2]]
        assert people == [str(faces.identities[row]) for row in rows]
        assert np.array_equal(found.images[3], decode_image(faces.images[rows[3]], 16, "crop"))
    assert dataset.classes["Smiling"] == ("no", "yes")
    assert dataset.corrupt == ()


def test_other_layouts_hold_the_same_data(layouts, faces, official, tmp_path):
    tasks = ("Male", "Young")
    flat = tmp_path / "torchvision" / "celeba"
    layouts.write_celeba_lists(
        faces, flat / "list_attr_celeba.txt", flat / "list_eval_partition.txt", flat / "identity_CelebA.txt"
    )
    layouts.write_images(faces, flat / "img_align_celeba")
    kaggle = layouts.write_kaggle(faces, tmp_path / "kaggle")
    crlf = layouts.write_official(faces, tmp_path / "crlf", end="\r\n")
    marked = shutil.copytree(official, tmp_path / "marked")
    for path in marked.rglob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    zipped = shutil.copytree(official, tmp_path / "zipped")
    with zipfile.ZipFile(zipped / "Img" / "img_align_celeba.zip", "w") as archive:
        for path in sorted((zipped / "Img" / "img_align_celeba").iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
    shutil.rmtree(zipped / "Img" / "img_align_celeba")
    base = data_fingerprint(config(official, tasks), 0)
    for root in (flat, flat.parent, kaggle, crlf, marked, zipped):
        assert data_fingerprint(config(root, tasks), 0) == base, root
        assert CelebaImages.detect(root) is not None
    pixels = [prepare_dataset(config(root, tasks), 0, tmp_path / root.name).splits["test"] for root in (zipped, kaggle)]
    assert np.array_equal(pixels[0].images, pixels[1].images)
    assert "identity" in CelebaImages(path=official).known_tasks()
    assert "identity" not in CelebaImages(path=kaggle).known_tasks()
    with pytest.raises(ValueError, match=r"'identity' needs Anno/identity_CelebA\.txt"):
        data_fingerprint(config(kaggle), 0)


def test_the_fingerprint_follows_labels_and_images_and_nothing_else(official, tmp_path):
    cache = tmp_path / "cache"
    base = data_fingerprint(config(official), 0, cache)
    assert data_fingerprint(config(shutil.copytree(official, tmp_path / "moved")), 5, cache) == base
    image = official / "Img" / "img_align_celeba" / "000002.jpg"
    before = image.read_bytes()
    image.write_bytes((official / "Img" / "img_align_celeba" / "000003.jpg").read_bytes())
    assert data_fingerprint(config(official), 0, cache) != base
    image.write_bytes(before)
    assert data_fingerprint(config(official), 0, cache) == base
    image.unlink()
    assert data_fingerprint(config(official), 0, cache) != base
    image.write_bytes(before)
    edit(official / "Eval" / "list_eval_partition.txt", "000012.jpg 0", "000012.jpg 1")
    assert data_fingerprint(config(official), 0, cache) != base


def test_hashes_are_kept_and_images_read_once(official, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    base = data_fingerprint(config(official), 0, cache)

    def read(_files, name):
        raise AssertionError(f"{name} is read again")

    monkeypatch.setattr("trainables.sources.reading.image_files.FolderFiles.read", read)
    assert data_fingerprint(config(official), 0, cache) == base
    (kept,) = (cache / "image-hashes-v1").glob("*.json")
    kept.write_text("{damaged")
    with pytest.raises(AssertionError, match="is read again"):
        data_fingerprint(config(official), 0, cache)


def test_an_image_that_is_not_there_is_corrupt(official, tmp_path):
    (official / "Img" / "img_align_celeba" / "000005.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"max_corrupt_share: 1 images.*list_attr_celeba\.txt, line 7 \(000005\.jpg: listed"
    ):
        prepare_dataset(config(official), 0, tmp_path / "cache")
    dataset = prepare_dataset(config(official, max_corrupt_share=0.1), 0, tmp_path / "cache")
    assert len(dataset.splits["train"]) == 11


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "Anno/list_attr_celeba.txt",
            "36\n",
            "35\n",
            r"list_attr_celeba\.txt, line 1: announces 35 images, but 36 follow",
        ),
        ("Anno/list_attr_celeba.txt", "36\n", "", r"line 1: expected the number of images"),
        ("Anno/list_attr_celeba.txt", "000002.jpg", "000001.jpg", r"line 4: '000001\.jpg' is already listed on line 3"),
        (
            "Anno/list_attr_celeba.txt",
            "000006.jpg -1",
            "000006.jpg  0",
            r"line 8: attribute '5_o_Clock_Shadow' must be",
        ),
        ("Anno/list_attr_celeba.txt", "000006.jpg -1", "000006.jpg", r"line 8: expected 40 attributes, got 39"),
        ("Anno/list_attr_celeba.txt", "000004.jpg", "../../x.jpg", r"'\.\./\.\./x\.jpg' must be a plain file name"),
        ("Eval/list_eval_partition.txt", "000004.jpg 0", "000004.jpg 3", r"line 4: the partition must be 0 .* got '3'"),
        (
            "Eval/list_eval_partition.txt",
            "000004.jpg 0\n",
            "",
            r"must list the 36 images .* got 35; '000004\.jpg' is in",
        ),
        ("Eval/list_eval_partition.txt", "000004.jpg 0", "000004.jpg", r"line 4: expected an image and 0, 1 or 2"),
        ("Anno/identity_CelebA.txt", "000004.jpg ", "000004.jpg x", r"line 4: an identity must be a whole number, got"),
    ],
)
def test_broken_lists_are_named_with_line_value_and_rule(official, file, old, new, message):
    edit(official / file, old, new)
    with pytest.raises(ValueError, match=message):
        data_fingerprint(config(official), 0)


def test_missing_files_unknown_attributes_and_other_encodings(official, tmp_path):
    with pytest.raises(ValueError, match=r"has no attribute 'Smilin'; did you mean 'Smiling'"):
        data_fingerprint(config(official, ("Smilin",)), 0)
    path = official / "Eval" / "list_eval_partition.txt"
    text = path.read_text()
    path.write_text(text, encoding="utf-16")
    with pytest.raises(ValueError, match=r"list_eval_partition\.txt: must be text in UTF-8, is UTF-16"):
        data_fingerprint(config(official), 0)
    path.write_bytes(text.encode().replace(b"000003.jpg", b"00000\xe9.jpg"))
    with pytest.raises(ValueError, match=r"list_eval_partition\.txt, line 3: must be text in UTF-8, got byte 0xe9"):
        data_fingerprint(config(official), 0)
    path.unlink()
    with pytest.raises(
        ValueError, match=r"partition are missing; looked for Eval/list_eval_partition\.txt, list_eval_p"
    ):
        data_fingerprint(config(official), 0)
    path.write_text(text)
    shutil.rmtree(official / "Img")
    with pytest.raises(ValueError, match=r"aligned images are missing; looked for .*Img/img_align_celeba\.zip"):
        data_fingerprint(config(official), 0)
    (official / "Img").mkdir()
    (official / "Img" / "img_align_celeba.zip").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="not a readable zip archive"):
        data_fingerprint(config(official), 0)
    with pytest.raises(ValueError, match=r"attributes are missing; looked for Anno/list_attr_celeba\.txt"):
        data_fingerprint(config(tmp_path), 0)


def test_a_trial_trains_on_it(official, train_tiny):
    outcome = train_tiny({"kind": "celeba", "path": str(official)}, ["Smiling", "Male"])
    assert outcome.finished
    assert {row.task for row in outcome.task_metrics} == {"Smiling", "Male"}
