"""A study whose images are in an object store, on a cluster of nodes that share no folder of images."""

from __future__ import annotations

import io
import secrets
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.loopback_cluster import LoopbackCluster
from benchmarks.s3_server import S3Server
from results.tables.store import read_table

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long, pytest.mark.timeout(900)]

SPLITS = {"train": 96, "validation": 32, "test": 32}
STUDY = """
name: faults
data:
  source: {{kind: parquet, path: "{path}"}}
  tasks: [tone, tint]
  image_size: 48
network: {{width: 0.0625}}
batches: {{batch_size: 12}}
optimization: {{epochs: 2}}
evaluation: {{triplets_per_task: 100}}
space:
  blocks: [{{placement: [none, late]}}]
  nuisance:
    learning_rate: {{low: 1e-3, high: 1e-2, log: true}}
search: {{trials_per_arm: 2}}
confirm: {{seeds: [1]}}
"""


def shard(seed: int, size: int) -> bytes:
    """Return a Parquet file of noise that is dark or light, and reddish or bluish."""
    draw = np.random.default_rng(seed)
    light, blue = draw.integers(0, 2, (2, size))
    rows = []
    for tone, tint in zip(light, blue, strict=True):
        pixels = draw.integers(0, 100, (48, 48, 3)) + 100 * tone
        pixels[..., 2 * tint] += 50
        image = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(image, "png")
        rows.append({"bytes": image.getvalue(), "path": None})
    labels = {"tone": np.array(["dark", "light"])[light], "tint": np.array(["red", "blue"])[blue]}
    file = io.BytesIO()
    pq.write_table(pa.table({"image": rows, **labels}), file)
    return file.getvalue()


def without_the_place(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {**tables, "trials": tables["trials"].drop(columns="config")}  # it names the source


@pytest.fixture
def shards() -> dict[str, bytes]:
    return {f"{split}.parquet": shard(seed, size) for seed, (split, size) in enumerate(SPLITS.items())}


@pytest.mark.usefixtures("cluster_environment")
def test_each_node_fetches_the_images_once_and_trains_as_from_a_folder(
    new_site, shards, s3: S3Server, tmp_path, assert_same
) -> None:
    import s3fs

    own = tmp_path / "own"
    own.mkdir()
    bucket = f"images{secrets.token_hex(4)}"
    s3fs.S3FileSystem().mkdir(bucket)
    for name, content in shards.items():
        (own / name).write_bytes(content)
        s3fs.S3FileSystem().pipe_file(f"{bucket}/own/{name}", content)
    near, far = new_site(STUDY.format(path=own)), new_site(STUDY.format(path=f"s3://{bucket}/own"))
    near.run("runs", "--workers", "1")
    cluster = LoopbackCluster({})
    try:
        for number in range(2):
            cluster.add_node(MODSTUDY_CACHE=str(tmp_path / f"node{number}"))
        s3.seen.clear()
        far.run("runs", "--address", cluster.address)
    finally:
        cluster.end()
    assert_same(*(without_the_place(place.tables("runs")) for place in (far, near)))
    assert read_table(far.folder("runs").tables, "trials")["state"].eq("completed").all()
    caches = [tmp_path / "node0", tmp_path / "node1", far.path / "cache"]  # the driver's is the third
    assert all([*cache.rglob("train.parquet")] for cache in caches)
    fetched = Counter(path for method, path in s3.seen if method == "GET" and path.endswith(".parquet"))
    assert {path.rpartition("/")[2]: count for path, count in fetched.items()} == dict.fromkeys(shards, len(caches))
