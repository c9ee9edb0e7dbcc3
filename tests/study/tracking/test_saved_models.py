"""An MLflow model that is replaced is the old one or the new one, whenever its writer is killed."""

from __future__ import annotations

import io
import os
import shutil
import signal
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmarks.drawn_network import drawn_model, facts
from trainables.config.trial import TrialConfig
from trainables.packs import RetrievalModel
from trainables.packs.exporting import TrainedNetwork, export_network

NAME = "faces/late/seed-1"
GREY = np.full((48, 48, 3), 127, np.uint8)


def packs(folder: Path, width: float) -> Path:
    """Export a network of one name, but of a width of its own, so that signature and weights differ."""
    sections = {
        "data": {"tasks": ("Smiling", "Hat"), "image_size": 48},
        "network": {"backbone": "simplenet", "width": width},
        "modulation": {"points": ("fc",)},
    }
    config = TrialConfig.model_validate(sections)
    export_network(folder, NAME, TrainedNetwork(drawn_model(config), config), facts())
    return folder


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def die_at(step: int) -> None:
    """Kill this process before the change of the file system with this number: a rename or a removal."""
    count = [0]

    def counted(change: str) -> None:
        original = getattr(Path, change)

        def killed(self: Path, *given: Path, **named: bool) -> object:
            if ".faces" not in str(self):  # what is written aside is nobody's yet
                if count[0] == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                count[0] += 1
            return original(self, *given, **named)

        setattr(Path, change, killed)

    for change in ("replace", "unlink", "rmdir"):
        counted(change)


@pytest.mark.long  # MLflow takes seconds to import
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_killed_writer_leaves_the_old_model_or_the_new_one(tmp_path: Path) -> None:
    import mlflow.pyfunc

    from study.tracking.models.saving import save_mlflow_model

    old, new = packs(tmp_path / "old", 0.0625), packs(tmp_path / "new", 0.125)
    truth = [RetrievalModel.load(folder).embed(GREY, "Hat") for folder in (old, new)]
    place = tmp_path / "mlflow" / "faces"
    save_mlflow_model(old, NAME, place)
    frame = pd.DataFrame({"image": [png(GREY)]})
    found, died, step = [], True, 0
    while died:
        killed = tmp_path / str(step) / "faces"
        shutil.copytree(place, killed)
        child = os.fork()
        if not child:
            try:
                die_at(step)
                save_mlflow_model(new, NAME, killed)
                os._exit(0)
            finally:
                traceback.print_exc()
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        died = os.WIFSIGNALED(status)
        assert died or not status
        embedded = torch.from_numpy(mlflow.pyfunc.load_model(str(killed)).predict(frame, params={"task": "Hat"}))
        same = [embedded.shape == one.shape and torch.allclose(embedded, one, rtol=0, atol=1e-6) for one in truth]
        assert sum(same) == 1, f"killed before change {step}: neither the old model nor the new one"
        found.append(same[1])
        step += 1
    assert found == sorted(found), "once the new model is in its place it stays"
    assert (found[0], found[-1], len(found) > 8) == (False, True, True)
    for broken in ("2", str(step - 2)):  # the next writer completes it and removes what the killed one left
        save_mlflow_model(new, NAME, tmp_path / broken / "faces")
        assert _names(tmp_path / broken) == _names(tmp_path / str(step - 1))


def _names(folder: Path) -> set[Path]:
    """Return the files of a model, without what Python makes of the code when the model is loaded."""
    return {path.relative_to(folder) for path in folder.rglob("*") if "__pycache__" not in path.parts}
