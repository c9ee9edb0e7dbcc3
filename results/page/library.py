"""The embedded charting library, Apache ECharts: a release as published, pinned by version and checksum.

``python -m results.page.library`` fetches the pinned release with npm and replaces the files; to update, raise
``VERSION``, run it, and enter the checksum that it prints.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

VERSION = "6.1.0"
SHA256 = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"
"""Of ``echarts.min.js``."""

FOLDER = Path(__file__).parent / "assets" / "library"

_FILES = {
    "package/dist/echarts.min.js": "echarts.min.js",
    "package/LICENSE": "LICENSE",
    "package/NOTICE": "NOTICE",
    "package/licenses/LICENSE-d3": "LICENSE-d3",
}
"""Where the release has what the page embeds, and the licences that must go with it."""


@cache
def library_code() -> str:
    """Return the library's JavaScript."""
    return (FOLDER / "echarts.min.js").read_text(encoding="utf-8")


def checksum() -> str:
    """Return the checksum of the file that is there."""
    return hashlib.sha256((FOLDER / "echarts.min.js").read_bytes()).hexdigest()


def refresh() -> None:
    """Replace the files by those of the pinned release, from the npm registry.

    Raises:
        FileNotFoundError: npm is not installed.
        subprocess.CalledProcessError: npm cannot fetch the release.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed; it comes with Node.js")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603 - npm, with a pinned name
            [npm, "pack", "--silent", f"echarts@{VERSION}"], cwd=folder, check=True
        )
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as release:
            release.extractall(folder, filter="data")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for source, name in _FILES.items():
            shutil.copyfile(Path(folder, source), FOLDER / name)


if __name__ == "__main__":
    refresh()
    sys.stdout.write(f"ECharts {VERSION}: SHA-256 {checksum()}\n")
    sys.exit(checksum() != SHA256)
