"""Checks of what Python callers pass: every error names argument, value and rule, and is a ``UserError``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

from study.errors import UserError
from trainables.foundation.objects.address import address_of, shown

T = TypeVar("T")


def refused(name: str, value: object, rule: str) -> UserError:
    """Return the error for an argument that breaks a rule."""
    return UserError(f"{name}: should be {rule}, got {value!r}")


def text(name: str, value: Any) -> str:
    """Return a non-empty text."""
    if isinstance(value, str) and value:
        return value
    raise refused(name, value, "a text")


def flag(name: str, value: Any) -> bool:
    """Return True or False."""
    if isinstance(value, bool):
        return value
    raise refused(name, value, "True or False")


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return a whole number within bounds; those of NumPy and 40.0 count as such, True does not."""
    rule = f"a whole number of at least {low:,}" if high is None else f"a whole number from {low:,} to {high:,}"
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value).is_integer():
        raise refused(name, value, rule)
    found = int(value) if isinstance(value, Integral) else int(float(value))
    if found < low or (high is not None and found > high):
        raise refused(name, value, rule)
    return found


def number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number within bounds, which may be one of NumPy's."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise refused(name, value, f"a number from {low:g} to {high:g}")
    return float(value)


def place(name: str, value: Any) -> Path:
    """Return the path of a text or of a path."""
    if isinstance(value, str | os.PathLike) and value != "":
        return Path(value)
    raise refused(name, value, "a path")


def local_place(name: str, value: Any) -> Path:
    """Return a path on this machine; as a path, a URL would be a folder called ``s3:``."""
    found = place(name, value)
    if address_of(found):
        raise UserError(f"{name}: {shown(found)} is a URL; name a path on this machine")
    return found


def several(name: str, values: Any, check: Callable[[str, Any], T]) -> tuple[T, ...]:
    """Return checked values; a text is one value, not several letters."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise refused(name, values, "a list")
    return tuple(check(name, value) for value in values)


def optional(check: Callable[[str, Any], T], name: str, value: Any) -> T | None:
    """Return None for None, else the checked value."""
    return None if value is None else check(name, value)


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """Return a mapping whose keys are texts."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise refused(name, value, "a mapping whose keys are texts")
