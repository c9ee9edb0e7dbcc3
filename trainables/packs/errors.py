"""The error of packs."""

from __future__ import annotations


class PackError(ValueError):
    """A folder of packs, or a request to it, that breaks a rule: names file, key, rule and way out in one line."""
