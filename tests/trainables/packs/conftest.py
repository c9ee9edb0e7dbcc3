"""Networks of every form with drawn weights, exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.drawn_network import drawn_model, facts
from trainables.config.trial import TrialConfig
from trainables.networks.multi_task import MultiTaskModel
from trainables.packs.exporting import TrainedNetwork, export_network
from trainables.packs.manifest import PackedModel

TASKS = ("Smiling", "Glasses", "Hat")
GROUPS = (("Smiling",), ("Glasses",), ("Hat",))

CLASSES = {"Smiling": ("no", "yes")}


def packed_config(**sections: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS, "image_size": 48},
            "network": {"backbone": "simplenet", "width": 0.0625},
            "modulation": {"points": ("res5", "fc")},
            **sections,
        }
    )


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., tuple[Path, MultiTaskModel, PackedModel]]:
    """Export a drawn model; returns the folder, the model and its description."""

    def write(
        name: str = "faces/late",
        *,
        folder: str = "packs",
        precision: Any = "fp32",
        trained: MultiTaskModel | None = None,
        **sections: Any,
    ) -> tuple[Path, MultiTaskModel, PackedModel]:
        config = packed_config(**sections)
        model = trained or drawn_model(config)
        place = tmp_path / folder
        return place, model, export_network(place, name, TrainedNetwork(model, config, precision), facts(CLASSES))

    return write
