"""``manifest.json``: what is in a folder of packs, and where it is from."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.data.preprocessing import Preprocessing
from trainables.foundation.files import write_text_atomically
from trainables.foundation.locks import lock
from trainables.foundation.locks.lock import Held
from trainables.foundation.manifest import read_versioned
from trainables.foundation.registry import nearest
from trainables.foundation.section import Section
from trainables.networks.precision import Precision
from trainables.packs.errors import PackError
from trainables.sources.source import MAX_PIXELS, Fit

MANIFEST = "manifest.json"
LOCK = ".lock"
VERSION: Literal[1] = 1
MOST_BYTES = 2**26
"""Of a manifest; more is no manifest."""


class TensorFile(Section):
    """A file of tensors by the SHA-256 of its bytes, also its name; ``tensor_bytes`` are without its header."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=8)
    tensor_bytes: int = Field(ge=0)


class PackedGroup(Section):
    """Tasks that share modulation, and its tensors, if it has any of its own.

    ``first``: the group that forms of copies leave at the layers and statistics of the backbone itself.
    """

    tasks: tuple[str, ...] = Field(min_length=1)
    first: bool
    pack: TensorFile | None


class PackedNetwork(Section):
    """A backbone and the groups of tasks that share it."""

    backbone: TensorFile
    groups: tuple[PackedGroup, ...] = Field(min_length=1)


class Measure(Section):
    """A metric on test images: mean over seeds, 95 % Student t interval (none for one seed) and the chance level."""

    mean: float
    low: float | None
    high: float | None
    seeds: tuple[int, ...]
    chance: float | None = None


class Metrics(Section):
    """What was measured, at the precision of the pack; ``this_network`` is of the exported seed alone.

    ``mean`` is over tasks.
    """

    metric: str
    split: Literal["test"] = "test"
    mean: Measure
    tasks: dict[str, Measure]
    this_network: dict[str, float]
    change_from_fp32: Measure | None = None


class ImageSettings(Section):
    """How an image becomes the input of the network, as in evaluation."""

    size: int = Field(ge=8)
    fit: Fit = "crop"
    preprocessing: Preprocessing = "unit"
    max_pixels: int = Field(MAX_PIXELS, ge=1)


class Stage(Section):
    """The output of a stage of the backbone for one image."""

    name: str
    channels: int
    height: int
    width: int


class WrittenBytes(Section):
    """Bytes of a network as it was exported: predicted + padding = tensors; tensors - repeated + headers = files.

    ``predicted``: the storage ledger's, at this precision. ``padding``: the bits of a group fill whole bytes of their
    own. ``repeated``: parts that are equal are one file. ``headers``: names and shapes in the files.
    """

    predicted: int
    padding: int
    tensors: int
    repeated: int
    headers: int
    files: int


class Provenance(Section):
    """Where a network is from."""

    study: str
    arm: str
    arm_id: str
    trial_id: str
    seed: int
    arm_rule: str
    trial_rule: str
    data_fingerprint: str
    version: str
    commit: str | None = None


class DataFacts(Section):
    """The images on which it was trained; ``licence`` is None where nobody said."""

    source: str
    licence: str | None = None


class PackedModel(Section):
    """A trained network with all its tasks."""

    network: NetworkConfig
    stages: tuple[Stage, ...]
    images: ImageSettings
    modulation: ModulationConfig
    normalize: bool
    channels_last: bool
    precision: Precision
    networks: tuple[PackedNetwork, ...] = Field(min_length=1)
    classes: dict[str, tuple[str, ...] | None]
    bytes: WrittenBytes
    metrics: Metrics | None
    provenance: Provenance
    data: DataFacts

    @model_validator(mode="after")
    def _tasks_are_distinct(self) -> PackedModel:
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"networks: every task belongs to one group, got {', '.join(self.tasks)}")
        if self.network.weights is not None or self.network.folder is not None:
            raise ValueError("network: weights and folder are paths, which a manifest may not hold")
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, network by network."""
        return tuple(task for network in self.networks for group in network.groups for task in group.tasks)

    @property
    def files(self) -> dict[str, TensorFile]:
        """Every file of tensors once, by its hash."""
        packs = [group.pack for network in self.networks for group in network.groups if group.pack is not None]
        return {file.sha256: file for file in (*(network.backbone for network in self.networks), *packs)}


class Manifest(Section):
    """The networks in a folder by name."""

    version: Literal[1] = VERSION
    models: dict[str, PackedModel] = Field(min_length=1)

    def model(self, name: str | None, folder: Path) -> tuple[str, PackedModel]:
        """Return a network and its name; None names the only one.

        Raises:
            PackError: The name is unknown, or missing where there are several.
        """
        if name is None and len(self.models) > 1:
            raise PackError(f"{folder}: holds several networks; name one (model, --model): {' or '.join(self.models)}")
        chosen = next(iter(self.models)) if name is None else name
        if chosen not in self.models:
            raise PackError(f"{folder / MANIFEST}: models: unknown {chosen!r}{nearest(chosen, self.models)}")
        return chosen, self.models[chosen]


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder.

    Raises:
        PackError: There is none, it is damaged or of another version, or a value breaks a rule.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise PackError(f"{folder}: not a folder of packs (it holds no {MANIFEST}); to write one: modstudy export RUN")
    try:
        return read_versioned(path, Manifest, version=VERSION, most_bytes=MOST_BYTES, again="export the network again")
    except ValueError as error:
        raise PackError(str(error)) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a folder in one step."""
    write_text_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")


def locked(folder: Path) -> AbstractContextManager[Held]:
    """Return the lock of a folder's writers; readers need none."""
    folder.mkdir(parents=True, exist_ok=True)
    return lock.locked(folder / LOCK, guard=lock.Guard(folder))
