"""Sources at URLs: the same data as in folders, under the same ids."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.config.data import DataConfig
from trainables.config.identity import trial_id
from trainables.config.trial import TrialConfig
from trainables.data import data_fingerprint, prepare_dataset
from trainables.data.identity import require_fingerprint

TABLE = "image,kind,split\n" + "".join(
    f"shoes/{number}.png,{('boot', 'sandal')[number % 2]},{('train', 'val', 'test')[number // 4]}\n"
    for number in range(12)
)


def png(shade):
    found = io.BytesIO()
    Image.new("RGB", (16, 16), (20 * shade, 0, 0)).save(found, "png")
    return found.getvalue()


def shard(first):
    images = [{"bytes": png(number), "path": None} for number in range(first, first + 4)]
    found = io.BytesIO()
    kinds = ["boot", "sandal"] * 2
    pq.write_table(pa.table({"image": pa.array(images), "kind": kinds}), found)
    return found.getvalue()


FILES = {
    "table": {"shoes.csv": TABLE.encode(), **{f"shoes/{number}.png": png(number) for number in range(12)}},
    "parquet": {f"{split}.parquet": shard(first) for split, first in (("train", 0), ("validation", 4), ("test", 8))},
}


def config(**source):
    return DataConfig(source=source, tasks=("kind",), image_size=16)


@pytest.fixture(params=["s3", "gs"])
def remote(request):
    return request.getfixturevalue({"s3": "bucket", "gs": "google"}[request.param])


@pytest.mark.parametrize(("kind", "end"), [("table", "/shoes.csv"), ("parquet", "")])
def test_the_same_images_in_a_folder_and_in_a_bucket_have_the_same_ids(kind, end, remote, put, tmp_path):
    for key, content in FILES[kind].items():
        (tmp_path / "own" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / key).write_bytes(content)
    put(f"{remote}/data/own", FILES[kind])
    here = config(kind=kind, path=f"{tmp_path}/own{end}")
    there = config(kind=kind, path=f"{remote}/data/own{end}")
    found = data_fingerprint(there, 0, tmp_path / "cache")
    assert found == data_fingerprint(here, 0, tmp_path / "cache")
    assert trial_id(TrialConfig(data=there), found) == trial_id(TrialConfig(data=here), found)
    dataset = prepare_dataset(there, 0, tmp_path / "cache")
    assert dataset.splits["train"].images[:, 4, 4, 0].tolist() == [0, 20, 40, 60]


def test_a_url_is_written_as_it_was_given(remote):
    data = config(kind="table", path=f"{remote}/own/shoes.csv", images=f"{remote}/own/")
    values = data.model_dump(mode="json", exclude_unset=True)["source"]
    assert values == {"kind": "table", "path": f"{remote}/own/shoes.csv", "images": f"{remote}/own"}
    assert DataConfig.model_validate_json(data.model_dump_json()) == data
    assert data.source.place == f"{remote}/own/shoes.csv"


def test_a_table_and_its_images_may_be_in_different_places(bucket, put, s3, tmp_path, own_cache):
    pictures = {f"{number}.png": png(number) for number in range(12)}
    put(
        bucket,
        {"lists/shoes.csv": TABLE.encode(), "lists/large.bin": b"1" * 9, **in_folder("pictures/shoes", pictures)},
    )
    s3.seen.clear()
    found = data_fingerprint(config(kind="table", path=f"{bucket}/lists/shoes.csv", images=f"{bucket}/pictures"), 0)
    assert not [path for _, path in s3.seen if "large.bin" in path]
    (tmp_path / "shoes.csv").write_text(TABLE)
    local = config(kind="table", path=tmp_path / "shoes.csv", images=f"{bucket}/pictures")
    assert data_fingerprint(local, 0, own_cache) == found


def in_folder(folder, files):
    return {f"{folder}/{key}": content for key, content in files.items()}


def test_the_trials_of_a_process_ask_the_store_once(bucket, put, s3, own_cache):
    put(f"{bucket}/own", FILES["parquet"])
    data = config(kind="parquet", path=f"{bucket}/own")
    found = data_fingerprint(data, 0, own_cache)
    s3.seen.clear()
    for _ in range(3):
        require_fingerprint(data, 0, found, own_cache)
        prepare_dataset(data, 0, own_cache)
    assert s3.seen == []


def test_a_url_that_cannot_be_used_is_refused_with_its_key():
    with pytest.raises(ValueError, match=r"data\.source\.images: no store of kind ftp:// is known"):
        config(kind="table", path="/shoes.csv", images="ftp://host/shoes")
