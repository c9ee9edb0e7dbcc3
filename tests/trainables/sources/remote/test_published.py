"""Official data sets in a bucket, laid out as they are downloaded: the same data as in a folder, under the same ids."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.config.data import DataConfig
from trainables.config.identity import trial_id
from trainables.config.trial import TrialConfig
from trainables.data import data_fingerprint, prepare_dataset

LINES = {"train": (0, 30), "val": (30, 45), "test": (45, 60)}
"""The shoes of each split of released triplets."""


@pytest.fixture(params=["celeba official", "celeba kaggle", "zappos50k drawn", "zappos50k released"])
def downloaded(request, layouts, tmp_path):
    """The folder of a data set, the keys of its source but the path, and a task."""
    root = tmp_path / "own"
    kind, layout = request.param.split()
    if kind == "celeba":
        faces = layouts.read_faces(request.getfixturevalue("celeba10k"))
        write = layouts.write_kaggle if layout == "kaggle" else layouts.write_official
        return write(faces, root), {"kind": kind}, "Smiling"
    shoes = layouts.read_shoes(request.getfixturevalue("fashion_shoes"))
    layouts.write_zappos(shoes, root)
    if layout == "released":
        lists = {("class", split): triplets(shoes, *lines) for split, lines in LINES.items()}
        layouts.write_csn(root, shoes.paths, lists)
    return root, {"kind": kind, "triplets": layout}, "class"


def triplets(shoes, first, last):
    """Return triplets of anchor, far and close, as released, of the shoes in these lines."""
    classes = [row[1] for row in shoes.rows]
    return [
        (a, far, close)
        for a in range(first, last)
        for close in range(a + 1, last)
        for far in (a + 2, a + 3)
        if far < last and classes[a] == classes[close] != classes[far]
    ]


def test_a_data_set_in_a_bucket_is_that_of_the_folder(downloaded, bucket, put, own_cache):
    root, source, task = downloaded
    put(
        f"{bucket}/data",
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()},
    )
    found, splits = {}, {}
    for place in (str(root), f"{bucket}/data"):
        data = DataConfig(source={**source, "path": place}, tasks=(task,), image_size=16)
        fingerprint = data_fingerprint(data, 0, own_cache)
        found[place] = fingerprint, trial_id(TrialConfig(data=data), fingerprint)
        splits[place] = prepare_dataset(data, 0, own_cache).splits
    assert len(set(found.values())) == 1
    here, there = splits.values()
    for name, part in here.items():
        assert len(part) > 0
        assert np.array_equal(part.images, there[name].images)
        assert all(np.array_equal(part.triplets[each], there[name].triplets[each]) for each in part.triplets)
        assert set(part.triplets) == ({task} if source.get("triplets") == "released" else set())
