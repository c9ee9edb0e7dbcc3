"""Shared fixtures: where the real images lie, and one torch thread so that parallel runs do not fight for cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(os.environ.get("MODSTUDY_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def _real_images(name: str) -> Path:
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(
            f"real images {name} are not here: set MODSTUDY_SHARED_DATA to the folder that holds {name}/data/*.parquet"
        )
    return folder


@pytest.fixture(scope="session")
def celeba10k() -> Path:
    """10,000 faces with 40 attributes and identities."""
    return _real_images("celeba10k")


@pytest.fixture(scope="session")
def fashion_shoes() -> Path:
    """About 9,000 shoes with 7 tasks."""
    return _real_images("fashion_shoes")
