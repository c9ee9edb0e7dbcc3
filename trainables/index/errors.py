"""The error of an index."""

from __future__ import annotations


class IndexFault(ValueError):  # noqa: N818 - it is no fault of the program
    """An index, or a request to it, that breaks a rule: names file, key, rule and way out in one line."""


class UnknownImage(IndexFault):
    """No image of the index has this id."""
