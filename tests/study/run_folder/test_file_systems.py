from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from study.plan import foresight
from study.run_folder.file_systems import file_system_of

MOUNTS = {"/": "ext4", "/home": "nfs4", "/home/me/own disk": "xfs"}
HIDDEN = ("/data", "nfs"), ("/data", "ext4")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/x", "ext4"),
        ("/home/me/.cache", "nfs4"),
        ("/home/me/own disk/x", "xfs"),
        ("/homestead", "ext4"),
        ("/data", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_closest_mount(path, kind, monkeypatch):
    mounts = [SimpleNamespace(mountpoint=place, fstype=name) for place, name in (*MOUNTS.items(), *HIDDEN)]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    assert file_system_of(Path(path)) == kind


def test_this_machine_tells():
    assert file_system_of(Path("/")) is not None


def test_a_cache_on_a_network_file_system_is_foreseen(monkeypatch):
    assert not list(foresight._cache())
    monkeypatch.setattr(foresight, "file_system_of", lambda _path: "nfs4")
    (warning,) = foresight._cache()
    assert "on a network file system (nfs4); set it to a folder on the own disk of every node" in warning
