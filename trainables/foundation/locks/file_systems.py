"""Tells on what file system a path is, and whether its ``flock`` holds among all nodes that mount it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "9p", "afs", "lustre", "gpfs", "beegfs", "ceph", "wekafs", "panfs", "pvfs2"),
        *("fuse.sshfs", "fuse.ceph-fuse", "fuse.glusterfs", "fuse.juicefs", "fuse.mfs", "fuse.rclone"),
    }
)
"""Kinds of file systems whose files are on other machines."""

_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.portal"})


@dataclass(frozen=True)
class Flock:
    """When ``flock`` on one node excludes another node.

    Attributes:
        needs: an option without which it does not; "" for none.
        unless: options with which it does not.
    """

    needs: str = ""
    unless: frozenset[str] = frozenset()


_LOCAL_LOCKS = frozenset({"local_lock=flock", "local_lock=all"})

FLOCK_AMONG_NODES = {
    "nfs": Flock(unless=_LOCAL_LOCKS | {"nolock"}),  # lockd; Linux maps flock to byte ranges there since 2.6.12
    "nfs4": Flock(unless=_LOCAL_LOCKS),
    "ceph": Flock(),
    "gpfs": Flock(),
    "lustre": Flock(needs="flock", unless=frozenset({"localflock", "noflock"})),
}
"""Kinds of network file systems whose ``flock`` is known to hold among nodes; of the others it is not relied on."""


@dataclass(frozen=True)
class Mount:
    """A mounted file system.

    Attributes:
        kind: as in ``/proc/mounts``.
        options: of the mount.
    """

    kind: str
    options: frozenset[str] = frozenset()

    @property
    def flock_holds(self) -> bool:
        """Whether ``flock`` excludes all that see the files: on a local disk this machine, else all nodes."""
        fuse = self.kind.startswith("fuse.") and self.kind not in _LOCAL_FUSE  # without flock of its own, Linux has one
        if not (self.kind in NETWORK or fuse):
            return True
        rule = FLOCK_AMONG_NODES.get(self.kind)
        if rule is None or (rule.needs and rule.needs not in self.options):
            return False
        return not rule.unless & self.options


def mount_of(path: Path) -> Mount | None:
    """Return the mount that a path is on, or would be, links followed; None where the system does not tell."""
    try:
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return None
    found = {Path(mount.mountpoint): mount for mount in mounts}  # the last mount on a place hides the others
    place = path.resolve()
    mount = next((found[parent] for parent in (place, *place.parents) if parent in found), None)
    return None if mount is None else Mount(mount.fstype, frozenset(mount.opts.split(",")))


def file_system_of(path: Path) -> str | None:
    """Return the kind of file system that a path is on, or would be; None where the system does not tell."""
    mount = mount_of(path)
    return None if mount is None else mount.kind
