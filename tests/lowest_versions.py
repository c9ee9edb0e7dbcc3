"""Print the lowest version of every package that pyproject.toml allows, as constraints for pip (`make test-lowest`)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BOUND = re.compile(r"(?P<name>[\w.-]+)(\[.*\])?>=(?P<lowest>[\d.]+)")


def lowest_versions() -> list[str]:
    """Return one pin a dependency, those of optional features included.

    Raises:
        SystemExit: a dependency has no lower bound.
    """
    extras = PROJECT["optional-dependencies"]
    features = [line for name, lines in extras.items() if name != "dev" for line in lines]
    pins = []
    for requirement in (*PROJECT["dependencies"], *features):
        found = BOUND.match(requirement)
        if found is None:
            raise SystemExit(f"pyproject.toml: {requirement!r} has no lower bound (>=)")
        pins.append(f"{found['name']}=={found['lowest']}")
    return pins


if __name__ == "__main__":
    print("\n".join(lowest_versions()))  # noqa: T201
