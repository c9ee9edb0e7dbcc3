"""A model card that is replaced is the old one or the new one, whenever its writer is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks.drawn_network import drawn_model, facts
from study.packs.extras import write_card
from trainables.config.trial import TrialConfig
from trainables.packs.exporting import TrainedNetwork, export_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of packs."""
    sections = {
        "data": {"tasks": ("Smiling", "Hat"), "image_size": 48},
        "network": {"backbone": "simplenet", "width": 0.0625},
        "modulation": {"points": ("fc",)},
    }
    config = TrialConfig.model_validate(sections)
    export_network(tmp_path / "packs", "faces", TrainedNetwork(drawn_model(config), config), facts())
    return tmp_path / "packs"


def killed_before_rename(folder: Path, step: int, licence: str) -> bool:
    """Write the card in a process that is killed before its rename of this number; return whether it was."""
    child = os.fork()
    if not child:
        count, rename = [0], Path.replace

        def replace(self: Path, target: Path) -> Path:
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1
            return rename(self, target)

        Path.replace = replace  # type: ignore[method-assign,assignment]
        try:
            write_card(folder, licence)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_killed_writer_leaves_the_old_card_or_none_and_the_next_one_cleans_up(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert killed_before_rename(folder, 1, "mit")
    assert not (folder / "README.md").exists()
    write_card(folder, "mit")
    before = (folder / "README.md").read_text()
    assert killed_before_rename(folder, 0, "apache-2.0")
    assert (folder / "README.md").read_text() == before
    assert not killed_before_rename(folder, 1, "apache-2.0")
    assert "license: apache-2.0" in (folder / "README.md").read_text()
    assert {path.name for path in folder.iterdir()} == names | {"README.md", ".gitattributes"}
