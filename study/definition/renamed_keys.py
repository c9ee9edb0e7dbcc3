"""Keys of study files that have a new name. The old one is accepted for one version, with a notice.

Plans, journals and tables keep the old names (``serialization_alias`` of the field), so that trial ids stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RENAMED: dict[str, str] = {
    "batches.images": "batch_size",
    "space.nuisance.images_per_batch": "batch_size",
    "space.fixed.images_per_batch": "batch_size",
}
"""Dotted key -> its new last part. Delete an entry with the version named in ``LAST_VERSION``."""

LAST_VERSION = "0.2"
"""The last version that accepts the old names."""


@dataclass(frozen=True)
class RenamedKey:
    """A key that a study file gives by its old name."""

    old: str
    new: str

    @property
    def notice(self) -> str:
        """One line that tells the user."""
        return f"{self.old} is now called {self.new}; {LAST_VERSION} is the last version that accepts the old name"


def rename_keys(values: dict[str, Any]) -> list[RenamedKey]:
    """Give the renamed keys of a study file their new names, in place, and return them.

    Values of a wrong shape are left for the validation to refuse.

    Raises:
        ValueError: a key is given by both names; starts with the new one.
    """
    found = []
    for old, name in RENAMED.items():
        *sections, last = old.split(".")
        section: Any = values
        for part in sections:
            section = section.get(part) if isinstance(section, dict) else None
        if isinstance(section, dict) and last in section:
            new = ".".join((*sections, name))
            if name in section:
                raise ValueError(f"{new}: also given by its old name, {old}; keep {new}")
            section[name] = section.pop(last)
            found.append(RenamedKey(old, new))
    return found
