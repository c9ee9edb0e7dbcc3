"""Takes tasks out of a folder of packs, and into another one."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from trainables.packs.building import only
from trainables.packs.errors import PackError
from trainables.packs.manifest import (
    MANIFEST,
    Manifest,
    PackedGroup,
    PackedModel,
    PackedNetwork,
    locked,
    read_manifest,
    write_manifest,
)
from trainables.packs.tensor_files import keep_bytes, read_bytes, sweep

_SAME = ("network", "images", "modulation", "normalize", "channels_last", "precision", "provenance.trial_id")


def copy_tasks(source: str | Path, folder: str | Path, tasks: Sequence[str], *, model: str | None = None) -> None:
    """Copy tasks of a network into another folder: alone if the folder is new, else beside the tasks that are there.

    Copies the backbone only if it is not there yet. The network keeps its name; one of the same name in ``folder`` must
    be the same network, and a task of the same name is replaced.

    Raises:
        PackError: A name is unknown, a file breaks a rule, or the networks differ.
    """
    there, here = Path(source).expanduser(), Path(folder).expanduser()
    name, packed = read_manifest(there).model(model, there)
    added = only(packed, tasks, there)
    with locked(here):
        known = read_manifest(here).models if (here / MANIFEST).exists() else {}
        joined = _joined(known[name], added, here) if name in known else added
        for file in added.files.values():
            keep_bytes(here, file, read_bytes(there, file))
        _write(here, {**known, name: joined})


def remove_tasks(folder: str | Path, tasks: Sequence[str], *, model: str | None = None) -> None:
    """Remove tasks of a network, and the files that nothing needs any more; the last task removes the network.

    Raises:
        PackError: A name is unknown, or nothing would be left in the folder.
    """
    here = Path(folder).expanduser()
    read_manifest(here)  # before the lock, which makes a folder that is not there
    with locked(here):
        manifest = read_manifest(here)
        name, packed = manifest.model(model, here)
        only(packed, tasks, here)
        left = [task for task in packed.tasks if task not in tasks]
        models = {**manifest.models, name: only(packed, left, here)} if left else dict(manifest.models)
        if not left:
            del models[name]
        if not models:
            raise PackError(f"{here}: these are all of its tasks; delete the folder instead")
        _write(here, models)


def _write(folder: Path, models: dict[str, PackedModel]) -> None:
    write_manifest(folder, Manifest(models=models))
    sweep(folder, (sha256 for packed in models.values() for sha256 in packed.files))


def _joined(known: PackedModel, added: PackedModel, folder: Path) -> PackedModel:
    for key in _SAME:
        if attrgetter(key)(known) != attrgetter(key)(added):
            raise PackError(f"{folder / MANIFEST}: {key}: differs from that of the tasks to add; use another folder")
    left = [task for task in known.tasks if task not in added.tasks]
    networks = {network.backbone.sha256: network for network in (only(known, left, folder).networks if left else ())}
    for network in added.networks:
        own = network.backbone.sha256
        networks[own] = _merged(networks[own], network) if own in networks else network
    return known.model_copy(update={"networks": tuple(networks.values()), "classes": known.classes | added.classes})


def _merged(known: PackedNetwork, added: PackedNetwork) -> PackedNetwork:
    """Return the groups of both; groups with the same tensors are one."""
    groups: dict[tuple[str | None, bool], PackedGroup] = {}
    for group in (*known.groups, *added.groups):
        key = (group.pack.sha256 if group.pack else None, group.first)
        tasks = (*groups[key].tasks, *group.tasks) if key in groups else group.tasks
        groups[key] = group.model_copy(update={"tasks": tasks})
    return known.model_copy(update={"groups": tuple(groups.values())})
