"""Parquet folders in the Hugging Face layout, written by the tests themselves."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.config.data import DataConfig
from trainables.config.trial import TrialConfig
from trainables.outcome import TrialOutcome
from trainables.run import run_trial
from trainables.sources.parquet.source import ParquetImages

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def encode(pixels: np.ndarray, fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, fmt)
    return buffer.getvalue()


def numbered_image(number: int) -> bytes:
    """A flat picture whose red channel is its number."""
    return encode(np.full((10, 12, 3), (number, 100, 200), dtype=np.uint8))


def write_shard(path: Path, images: list[bytes | None], columns: dict[str, pa.Array], classes: dict[str, list[str]]):
    entries = [None if data is None else {"bytes": data, "path": f"{i}.png"} for i, data in enumerate(images)]
    table = pa.table({"image": pa.array(entries, IMAGE_TYPE), **columns})
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    features |= {task: {"names": names, "_type": "ClassLabel"} for task, names in classes.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=4)


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of ``rows`` numbered images per split; tasks ``kind`` (ClassLabel) and ``score`` (integer)."""

    def write(name: str = "pictures", *, rows: int = 6, train: list[bytes | None] | None = None) -> Path:
        folder = tmp_path / name
        for split, start in (("train", 0), ("validation", 50), ("test", 100)):
            images = [numbered_image(start + row) for row in range(rows)]
            if split == "train" and train is not None:
                images = train
            columns = {
                "kind": pa.array([row % 2 for row in range(len(images))]),
                "score": pa.array([10 + row % 3 for row in range(len(images))], pa.int32()),
            }
            path = folder / "data" / f"{split}-00000-of-00001.parquet"
            write_shard(path, images, columns, {"kind": ["boot", "sandal"]})
        return folder

    return write


@pytest.fixture
def shard() -> Callable[..., None]:
    """Write one Parquet file of images and columns."""
    return write_shard


@pytest.fixture
def config_of() -> Callable[..., DataConfig]:
    """Make the data section for a folder."""

    def make(folder: Path, tasks: tuple[str, ...] = ("kind", "score"), **settings: Any) -> DataConfig:
        return DataConfig(source=ParquetImages(path=folder), tasks=tasks, **({"image_size": 8} | settings))

    return make


def _module(path: str) -> ModuleType:
    """Load a module beside the tests, which are no package to import it from."""
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def layouts() -> ModuleType:
    """``layouts.py``, which writes small copies of official data sets."""
    return _module("sources/layouts.py")


@pytest.fixture(scope="session")
def replay() -> ModuleType:
    """``replay.py``, which stands in for a CUDA graph."""
    return _module("training/replay.py")


@pytest.fixture
def train_tiny(tmp_path: Path) -> Callable[..., TrialOutcome]:
    """Train two steps on a data set and measure validation and test."""

    def train(source: dict[str, Any], tasks: list[str], scheme: str = "all_tasks", **data: Any) -> TrialOutcome:
        config = TrialConfig.model_validate(
            {
                "data": {"source": source, "tasks": tasks, "image_size": 48, **data},
                "network": {"width": 0.0625},
                "batches": {"scheme": scheme, "batch_size": 3 * len(tasks)},
                "optimization": {"epochs": 1, "steps_per_epoch": 2},
                "evaluation": {"splits": ["validation", "test"], "triplets_per_task": 20},
                "compute": {"device": "cpu"},
            }
        )
        return run_trial(config, report=lambda _: None, workspace=tmp_path / "trial", cache=tmp_path / "cache")

    return train
