"""A pack that was made elsewhere embeds here as it did there.

``data/elsewhere`` was written once and is never written by a test: the pack of a small network with drawn weights, an
image, and the vectors that it had on the machine that ``embeddings.json`` names. To make it anew, after a change of
the format of packs: ``PYTHONPATH=. python tests/trainables/packs/test_another_machine.py``, and say in the commit why
the old one could not be read any more.
"""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import torch
from PIL import __version__ as pillow_version

from benchmarks.drawn_index import drawn_image
from benchmarks.drawn_network import drawn_model, facts
from trainables.config.trial import TrialConfig
from trainables.data.preprocessing import to_network_input
from trainables.packs import RetrievalModel
from trainables.packs.exporting import TrainedNetwork, export_network
from trainables.packs.images import pixels_of

ELSEWHERE = Path(__file__).parent / "data" / "elsewhere"
IMAGE, EMBEDDINGS = ELSEWHERE / "image.png", ELSEWHERE / "embeddings.json"


def test_a_pack_made_on_another_machine_gives_its_embeddings() -> None:
    expected = json.loads(EMBEDDINGS.read_text())["embeddings"]
    model = RetrievalModel.load(ELSEWHERE / "packs")
    assert set(expected) == set(model.tasks)
    for task, vector in expected.items():
        for found in (model.embed(IMAGE, task), model.embed_all(IMAGE)[task]):
            torch.testing.assert_close(found, torch.tensor([vector]), rtol=0, atol=1e-5)
        folded = model.folded(task)(inputs(model))
        torch.testing.assert_close(folded, torch.tensor([vector]), rtol=0, atol=1e-5)


def inputs(model: RetrievalModel) -> torch.Tensor:
    (pixels,) = pixels_of(IMAGE, model.packed.images)
    return to_network_input(pixels[None], torch.device("cpu"), channels_last=True, preprocessing="unit")


def make() -> None:
    sections = {
        "data": {"tasks": ("Smiling", "Hat"), "image_size": 48},
        "network": {"backbone": "simplenet", "width": 0.03},
        "modulation": {"points": ("res5", "fc")},
    }
    shutil.rmtree(ELSEWHERE, ignore_errors=True)
    config = TrialConfig.model_validate(sections)
    export_network(ELSEWHERE / "packs", "drawn", TrainedNetwork(drawn_model(config, spread=2), config), facts())
    (ELSEWHERE / "packs/.lock").unlink()
    IMAGE.write_bytes(drawn_image(1))
    made = {"torch": torch.__version__, "pillow": pillow_version, "machine": platform.machine()}
    embedded = RetrievalModel.load(ELSEWHERE / "packs").embed_all(IMAGE)
    vectors = {task: found[0].tolist() for task, found in embedded.items()}
    EMBEDDINGS.write_text(json.dumps({"made_with": made, "embeddings": vectors}, indent=1) + "\n")


if __name__ == "__main__":
    make()
