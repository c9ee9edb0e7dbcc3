"""Python with this folder on its path has no ``flock`` below ``NO_FLOCK_BELOW``: it fails with ``NO_FLOCK_ERRNO``."""

import errno
import fcntl
import os
from pathlib import Path

_flock = fcntl.flock


def _refused(file, operation):
    descriptor = file if isinstance(file, int) else file.fileno()
    path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    if path.startswith(os.environ["NO_FLOCK_BELOW"]):
        raise OSError(getattr(errno, os.environ["NO_FLOCK_ERRNO"]), "no flock here")
    return _flock(file, operation)


if "NO_FLOCK_BELOW" in os.environ:
    fcntl.flock = _refused
