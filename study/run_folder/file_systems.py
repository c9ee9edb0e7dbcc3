"""Tells on what file system a path is."""

from __future__ import annotations

from pathlib import Path

import psutil

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs"})
"""Kinds of file systems whose files are on other machines."""


def file_system_of(path: Path) -> str | None:
    """Return the kind of file system that a path is on, or would be; None where the system does not tell."""
    try:
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return None
    found = {Path(mount.mountpoint): mount.fstype for mount in mounts}  # the last mount on a place hides the others
    place = path.absolute()
    return next((found[parent] for parent in (place, *place.parents) if parent in found), None)
