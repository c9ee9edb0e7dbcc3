from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from study.plan import foresight
from trainables.foundation.locks.file_systems import Mount, file_system_of

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
    mounts = [SimpleNamespace(mountpoint=place, fstype=name, opts="rw") for place, name in (*MOUNTS.items(), *HIDDEN)]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    assert file_system_of(Path(path)) == kind


@pytest.mark.parametrize(
    ("kind", "options", "holds"),
    [
        ("ext4", "rw", True),
        ("overlay", "rw", True),
        ("nfs4", "rw,vers=4.2,local_lock=none", True),
        ("nfs4", "rw,vers=4.1,local_lock=flock", False),
        ("nfs", "rw,vers=3,local_lock=none", True),
        ("nfs", "rw,vers=3,nolock,local_lock=all", False),
        ("nfs", "rw,vers=3,nolock", False),
        ("nfs", "rw,vers=3,local_lock=flock", False),
        ("nfs", "rw,vers=3,local_lock=posix", True),
        ("lustre", "rw,flock,lazystatfs", True),
        ("lustre", "rw,localflock", False),
        ("lustre", "rw", False),
        ("ceph", "rw", True),
        ("gpfs", "rw", True),
        ("beegfs", "rw", False),
        ("cifs", "rw", False),
        ("9p", "rw", False),
        ("fuse.sshfs", "rw", False),
        ("fuse.unheard-of", "rw", False),
        ("fuse.fuse-overlayfs", "rw", True),
    ],
)
def test_flock_is_relied_on_where_it_is_known_to_hold_among_nodes(kind, options, holds):
    assert Mount(kind, frozenset(options.split(","))).flock_holds is holds


def test_this_machine_tells():
    assert file_system_of(Path("/")) is not None


def test_a_cache_on_a_network_file_system_is_foreseen(monkeypatch):
    assert not list(foresight._cache())
    monkeypatch.setattr(foresight, "file_system_of", lambda _path: "nfs4")
    (warning,) = foresight._cache()
    assert "on a network file system (nfs4); set it to a folder on the own disk of every node" in warning


def test_a_home_on_nfs_is_noticed_also_behind_a_link_and_the_own_disk_of_the_node_is_fine(monkeypatch, tmp_path):
    home, disk = tmp_path / "home", tmp_path / "disk"
    home.mkdir()
    disk.mkdir()
    mounts = {"/": "ext4", str(home): "nfs4"}
    found = [SimpleNamespace(mountpoint=place, fstype=kind, opts="rw") for place, kind in mounts.items()]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: found)
    monkeypatch.delenv("MODSTUDY_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (warning,) = foresight._cache()
    assert str(home) in warning
    assert "(nfs4)" in warning
    (home / ".cache").symlink_to(disk)
    assert not list(foresight._cache())
    linked = disk / "linked"
    linked.symlink_to(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(linked))
    assert len(list(foresight._cache())) == 1
    monkeypatch.setenv("MODSTUDY_CACHE", str(disk / "cache"))
    assert not list(foresight._cache())
