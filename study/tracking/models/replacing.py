"""Replaces a folder in which one file names the others: a kill at any moment leaves the old content or the new."""

from __future__ import annotations

from pathlib import Path

from trainables.foundation.files import write_atomically


def replace_folder(place: Path, written: Path, leading: str) -> None:
    """Bring the files of ``written`` into ``place``, the leading one last, then remove what it does not name.

    Until the leading file is replaced, in one step, readers follow the old one to the old files: what differs from a
    version to the next needs a name of its own. The caller holds a lock; what a killed writer left is removed.

    Args:
        place: The folder to write or to replace.
        written: A complete folder.
        leading: Name of the file that names the others.
    """
    names = {path.relative_to(written) for path in written.rglob("*") if path.is_file()}
    for name in sorted(names, key=lambda one: (one == Path(leading), one)):
        content, target = (written / name).read_bytes(), place / name
        if not target.is_file() or target.read_bytes() != content:
            _put(target, content)
    for path in sorted(place.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(place) not in names:
            path.unlink()


def _put(target: Path, content: bytes) -> None:
    write_atomically(target, lambda file: file.write(content))
