from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.config.data import DataConfig
from trainables.data import data_fingerprint, describe_dataset, prepare_dataset
from trainables.data.cache import CACHE_FOLDER
from trainables.foundation import files
from trainables.sources.faces.source import GeneratedFaces

FACES = DataConfig(
    source=GeneratedFaces(train_images=40, validation_images=5, test_images=5), tasks=("Smiling",), image_size=16
)

PREPARE = """
import logging, sys
from pathlib import Path
from trainables.config.trial import DataConfig
from trainables.data import prepare_dataset
logging.basicConfig(level=logging.INFO)
print(prepare_dataset(DataConfig.model_validate_json(sys.argv[1]), 0, Path(sys.argv[2])).fingerprint)
"""


def prepare_elsewhere(data, cache, prelude=""):
    """Prepare the data in a process of its own."""
    command = [sys.executable, "-c", prelude + PREPARE, data.model_dump_json(), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 (our own interpreter)


def whole_folders(cache):
    return [path for path in (cache / CACHE_FOLDER).iterdir() if path.is_dir()]


def test_arrays_are_read_only_memory_maps(tmp_path):
    split = prepare_dataset(FACES, 0, tmp_path).splits["train"]
    assert isinstance(split.images, np.memmap)
    assert split.images.shape == (40, 16, 16, 3)
    assert len(split) == 40
    with pytest.raises(ValueError, match="read-only"):
        split.images[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        split.labels[0] = 0


def test_second_caller_reads_what_the_first_built(tmp_path):
    first = prepare_dataset(FACES, 0, tmp_path)
    (folder,) = whole_folders(tmp_path)
    before = (folder / "train-images.npy").stat()
    again = prepare_dataset(FACES, 0, tmp_path)
    assert (folder / "train-images.npy").stat().st_mtime_ns == before.st_mtime_ns
    assert np.array_equal(first.splits["train"].images, again.splits["train"].images)
    assert folder.name == first.fingerprint == data_fingerprint(FACES, 0)


def test_processes_that_start_together_build_once(tmp_path):
    running = [prepare_elsewhere(FACES, tmp_path) for _ in range(2)]
    results = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert sum(errors.count("train: 40 images") for _, errors in results) == 1


def test_a_killed_builder_leaves_no_cache_and_the_next_one_builds(tmp_path):
    data = FACES.model_copy(update={"source": GeneratedFaces(train_images=20_000)})
    process = prepare_elsewhere(data, tmp_path)
    deadline = time.monotonic() + 300
    while not list(tmp_path.rglob("*.partial/train-images.npy")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(tmp_path.rglob("manifest.json"))
    left = next(iter(tmp_path.rglob("*.partial")))
    left.rename(left.with_name(data_fingerprint(FACES, 0) + ".partial"))  # as if the small one had been killed
    assert len(prepare_dataset(FACES, 0, tmp_path).splits["train"]) == 40
    assert not list(tmp_path.rglob("*.partial"))


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
    process = prepare_elsewhere(FACES, tmp_path, prelude=limit)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "File too large" in errors
    assert whole_folders(tmp_path) == []


def test_too_little_free_space_is_said_before_the_work(tmp_path):
    huge = DataConfig(source=GeneratedFaces(), tasks=("Smiling",), image_size=1_000_000)
    with pytest.raises(OSError, match=r"the decoded images need \d+ MB, but only \d+ MB are free"):
        prepare_dataset(huge, 0, tmp_path)
    assert whole_folders(tmp_path) == []


CHECK = """
from pathlib import Path
import sys
import numpy as np
from trainables.config.trial import DataConfig
from trainables.data import prepare_dataset
dataset = prepare_dataset(DataConfig.model_validate_json(sys.argv[1]), 0, Path(sys.argv[2]))
print([int(np.asarray(split.images, dtype=np.int64).sum()) for split in dataset.splits.values()])
"""


def prepared_in_a_new_process(data, cache):
    """Return a sum over the images as a process sees them that has checked nothing yet, and its warnings."""
    command = [sys.executable, "-c", CHECK, data.model_dump_json(), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 (our own)
    return done.stdout, done.stderr


def flip(path, place):
    """Change one bit and leave size and time of change as they were, as a disk does."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        (value,) = file.read(1)
        file.seek(place)
        file.write(bytes([value ^ 4]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def content_of(cache):
    (folder,) = whole_folders(cache)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_flipped_byte_in_the_image_cache_is_found_and_rebuilt(tmp_path):
    prepare_dataset(FACES, 0, tmp_path)
    whole = content_of(tmp_path)
    (folder,) = whole_folders(tmp_path)
    sums, _ = prepared_in_a_new_process(FACES, tmp_path)
    flip(folder / "train-images.npy", 5000)
    assert prepared_in_a_new_process(FACES, tmp_path)[0] == sums
    assert content_of(tmp_path) == whole


@pytest.mark.parametrize("name", ["train-images.npy", "test-labels.npy", "manifest.json"])
def test_every_damaged_file_of_the_cache_is_rebuilt(tmp_path, name, caplog):
    prepare_dataset(FACES, 0, tmp_path)
    whole = content_of(tmp_path)
    for content in (b"", whole[name][:-1], b"\0" * len(whole[name]), whole[name] + b"\0", b"[]", b"{}", b"null", None):
        (folder,) = whole_folders(tmp_path)
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content)
        assert len(prepare_dataset(FACES, 0, tmp_path).splits["train"]) == 40
        assert content_of(tmp_path) == whole
    assert "decoding the images again" in caplog.text


@pytest.mark.parametrize("every", [163, pytest.param(41, marks=pytest.mark.long)])
def test_a_flipped_byte_of_the_manifest_is_never_another_manifest(every, tmp_path):
    expected = prepare_dataset(FACES, 0, tmp_path)
    (folder,) = whole_folders(tmp_path)
    whole = (folder / "manifest.json").read_bytes()
    for place in range(0, len(whole), every):
        flip(folder / "manifest.json", place)
        found = prepare_dataset(FACES, 0, tmp_path)
        assert (found.classes, found.corrupt, found.fingerprint) == (expected.classes, (), expected.fingerprint)
        assert (folder / "manifest.json").read_bytes() == whole


def test_a_process_that_uses_the_cache_is_not_disturbed_when_another_rebuilds_it(tmp_path):
    split = prepare_dataset(FACES, 0, tmp_path).splits["train"]
    (folder,) = whole_folders(tmp_path)
    before = np.array(split.images)
    (folder / "validation-images.npy").unlink()
    prepared_in_a_new_process(FACES, tmp_path)
    assert np.array_equal(split.images, before)
    assert np.array_equal(prepare_dataset(FACES, 0, tmp_path).splits["train"].images, before)


def test_an_undamaged_cache_is_read_for_its_checksums_once_a_process(tmp_path):
    prepare_dataset(FACES, 0, tmp_path)
    read = files._checksum_once.cache_info().misses
    prepare_dataset(FACES, 0, tmp_path)
    assert files._checksum_once.cache_info().misses == read


def test_fingerprint_covers_what_changes_pixels_or_labels(write_folder, config_of):
    folder = write_folder()
    base = data_fingerprint(config_of(folder), 0)
    prints = {
        base,
        data_fingerprint(config_of(folder, image_size=9), 0),
        data_fingerprint(config_of(folder, fit="pad"), 0),
        data_fingerprint(config_of(folder, ("kind",)), 0),
        data_fingerprint(config_of(folder, ("score", "kind")), 0),
    }
    path = folder / "data" / "test-00000-of-00001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "kind", pa.array([1, 1, 1, 1, 1, 0])), path)
    prints.add(data_fingerprint(config_of(folder), 0))
    assert len(prints) == 6
    assert len(base) == 32


def test_fingerprint_ignores_place_seed_and_limit(write_folder, config_of, tmp_path):
    folder = write_folder()
    moved = shutil.copytree(folder, tmp_path / "moved")
    base = data_fingerprint(config_of(folder), 0)
    assert data_fingerprint(config_of(moved), 1) == base
    assert data_fingerprint(config_of(folder, max_corrupt_share=0.5), 0) == base


def test_fingerprint_of_faces():
    base = data_fingerprint(FACES, 0)
    assert data_fingerprint(FACES.model_copy(update={"fit": "pad", "max_corrupt_share": 0.3}), 0) == base
    others = [
        data_fingerprint(FACES, 1),
        data_fingerprint(FACES.model_copy(update={"tasks": ("Hat",)}), 0),
        data_fingerprint(FACES.model_copy(update={"image_size": 17}), 0),
        data_fingerprint(FACES.model_copy(update={"source": GeneratedFaces()}), 0),
    ]
    assert len({base, *others}) == 5


def broken_training_images(write_folder):
    """Ten training images: row 2 cut, row 5 null, row 9 text."""
    folder = write_folder(rows=10)
    path = folder / "data" / "train-00000-of-00001.parquet"
    whole = [entry["bytes"] for entry in pq.read_table(path).column("image").to_pylist()]
    return write_folder("broken", rows=10, train=[*whole[:2], whole[2][:30], *whole[3:5], None, *whole[6:9], b"text"])


def test_corrupt_images_are_named_counted_and_dropped(write_folder, config_of, tmp_path):
    folder = broken_training_images(write_folder)
    data = config_of(folder, max_corrupt_share=0.1)
    dataset = prepare_dataset(data, 0, tmp_path / "cache")
    name = "train-00000-of-00001.parquet"
    assert dataset.corrupt == (f"{name}, row 2", f"{name}, row 5", f"{name}, row 9")
    assert dataset.splits["train"].images[:, 4, 4, 0].tolist() == [0, 1, 3, 4, 6, 7, 8]
    assert dataset.splits["train"].labels[:, 0].tolist() == [0, 1, 1, 0, 0, 1, 0]
    (cached,) = whole_folders(tmp_path / "cache")
    manifest = json.loads((cached / "manifest.json").read_text())
    assert [image["place"] for image in manifest["corrupt"]] == ["row 2", "row 5", "row 9"]
    assert manifest["corrupt"][0]["path"] == "2.png"
    assert manifest["corrupt"][1]["reason"] == "the file stores no bytes for this image"


def test_above_the_allowed_share_nothing_starts(write_folder, config_of, tmp_path):
    folder = broken_training_images(write_folder)
    for _ in range(2):  # whether it was just built or lay in the cache
        with pytest.raises(
            ValueError, match=r"max_corrupt_share: 3 images .* 0\.1 where 0\.09 .*train-0.*parquet, row 2 "
        ):
            prepare_dataset(config_of(folder, max_corrupt_share=0.09), 0, tmp_path / "cache")
    described = describe_dataset(config_of(folder, max_corrupt_share=0.09), 0, tmp_path / "cache")
    assert described.corrupt == {"train": 3, "validation": 0, "test": 0}


def test_a_split_with_no_image_left_is_refused_and_can_be_described(write_folder, config_of, tmp_path):
    data = config_of(write_folder(train=[b"x", b"y"]), max_corrupt_share=1.0)
    with pytest.raises(ValueError, match=r"split 'train' has no image that can be decoded; the first: train-0"):
        prepare_dataset(data, 0, tmp_path / "cache")
    assert describe_dataset(data, 0, tmp_path / "cache").images["train"] == 0


def test_description_counts_classes_and_unlabelled(write_folder, shard, config_of, tmp_path):
    folder = write_folder()
    path = folder / "data" / "test-00000-of-00001.parquet"
    images = [entry["bytes"] for entry in pq.read_table(path).column("image").to_pylist()]
    columns = {"kind": pa.array([1, 1, None, -1, 1, 1]), "score": pa.array([10, 10, 12, 12, None, 10])}
    shard(path, images, columns, {"kind": ["boot", "sandal"]})
    described = describe_dataset(config_of(folder), 0, tmp_path / "cache")
    assert described.images == {"train": 6, "validation": 6, "test": 6}
    counts = {(row.split, row.task): row for row in described.tasks}
    assert counts["test", "kind"].classes == {"boot": 0, "sandal": 4}
    assert counts["test", "kind"].unlabelled == 2
    assert counts["test", "score"].classes == {"10": 3, "11": 0, "12": 2}
    assert counts["train", "score"].unlabelled == 0
