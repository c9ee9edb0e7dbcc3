"""Writes a network of a folder of packs as an MLflow model, for ``mlflow.pyfunc`` and ``mlflow models serve``."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from PIL import Image

from study.tracking.models import __path__ as _here
from study.tracking.models.replacing import replace_folder
from trainables.foundation.locks.lock import remove_lock
from trainables.packs import copy_tasks
from trainables.packs.manifest import LOCK, MANIFEST, PackedModel, locked, read_manifest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # of MLflow, about type hints of its own
    import mlflow.pyfunc

_MODEL = "model"


def save_mlflow_model(packs: Path, name: str, place: Path) -> None:
    """Write a network with all its tasks as an MLflow model; one that is there is replaced.

    The model is a copy: it needs the package ``modulation-study``, but not the folder of packs. A writer that is killed
    at any moment leaves the model as it was, or complete.

    Args:
        packs: The folder of packs.
        name: The network in it.
        place: Folder of the MLflow model.
    """
    packed = read_manifest(packs).models[name]
    aside = place.with_name(f".{place.name}")
    with locked(packs):
        shutil.rmtree(aside, ignore_errors=True)  # of a killed writer
        try:
            _save(packs, name, packed, aside)
            replace_folder(place, aside / _MODEL, MLMODEL_FILE_NAME)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _save(packs: Path, name: str, packed: PackedModel, aside: Path) -> None:
    """Write the model into a folder of its own."""
    copied = aside / "packs"
    copy_tasks(packs, copied, packed.tasks, model=name)
    remove_lock(copied / LOCK)
    # named by its content: the model that is replaced keeps its own packs until the new one is in its place
    alone = copied.rename(aside / f"packs-{hashlib.sha256((copied / MANIFEST).read_bytes()).hexdigest()[:16]}")
    with _quietly():
        mlflow.pyfunc.save_model(
            path=str(aside / _MODEL),
            python_model=str(Path(_here[0], "served.py")),
            artifacts={"packs": str(alone)},
            signature=_signature(packed),
            input_example=pd.DataFrame({"image": [_grey_square(packed.images.size)]}),
            pip_requirements=[f"modulation-study=={packed.provenance.version}"],
        )


def _signature(packed: PackedModel) -> ModelSignature:
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, packed.stages[-1].channels))]),
        params=ParamSchema([ParamSpec("task", DataType.string, packed.tasks[0])]),
    )


def _grey_square(side: int) -> bytes:
    """Return a PNG file, as an example of an input."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (127, 127, 127)).save(file, "png")
    return file.getvalue()


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence MLflow's advice on type hints: the signature is given."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(before)
