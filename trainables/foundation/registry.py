"""Named parts of a trial: the registries of forms, balancing methods, backbones and sources, and looking a name up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import TypeVar, cast

Value = TypeVar("Value")


class Registry(MutableMapping[str, Value]):
    """What a key of the study file may name, in order of registration.

    A part comes from this project, from a ``register_*`` function, which reaches the process that calls it, or from an
    entry point of an installed package, which reaches every worker on which that package is installed. Iteration yields
    the names known so far: entry points are read when a name is not among them.

    Args:
        noun: What a part is called in messages, such as ``form``.
        key: The key of the study file, such as ``modulation.form``.
        group: The group of entry points, such as ``modstudy.forms``.
        built_in: The parts of this project; text is ``module:name``, imported when the part is first used.
    """

    def __init__(self, noun: str, key: str, group: str, built_in: Mapping[str, Value | str] | None = None) -> None:
        self._noun, self._key, self._group = noun, key, group
        self._parts: dict[str, Value | str] = dict(built_in or {})
        self.built_in = frozenset(self._parts)

    def find(self, name: str) -> Value:
        """Return the part of this name.

        Raises:
            ValueError: The name is unknown; the message gives the nearest known one.
        """
        self.known(name)
        return look_up(self._key, name, self)

    def known(self, name: str) -> bool:
        """Return whether there is a part of this name, without importing it; entry points are read if need be."""
        if name not in self._parts:
            self.discover()
        return name in self._parts

    def discover(self) -> None:
        """Read the entry points of installed packages; a part is imported when it is first used."""
        for entry in entry_points(group=self._group):
            self._parts.setdefault(entry.name, f"{entry.module}:{entry.attr}")

    def register(self, name: str, part: Value) -> Value:
        """Make a part known in this process and return it; registering the same part twice is fine.

        Raises:
            ValueError: The name is taken by another part, or holds a ``:``, which marks an import path.
        """
        if ":" in name:
            raise ValueError(f"{self._key}: the name of a {self._noun} must hold no ':', got {name!r}")
        if name in self._parts and self[name] is not part:
            raise ValueError(f"{self._noun} {name!r} is registered already, as {self[name]}")
        self._parts[name] = part
        return part

    def __getitem__(self, name: str) -> Value:
        part = self._parts[name]
        if isinstance(part, str):
            part = self._parts[name] = cast("Value", resolve_name(part))
        return part

    def __setitem__(self, name: str, part: Value) -> None:
        self.register(name, part)

    def __delitem__(self, name: str) -> None:
        del self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __contains__(self, name: object) -> bool:  # the inherited one would import the part
        return name in self._parts


def look_up(key: str, name: str, known: Mapping[str, Value]) -> Value:
    """Return ``known[name]``; ``key`` names in messages what is looked up.

    Raises:
        ValueError: The name is unknown; the message gives the nearest known one.
    """
    if name not in known:
        raise ValueError(f"{key}: unknown '{name}'{nearest(name, known)}")
    return known[name]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name.

    Returns:
        ``"; did you mean 'x'?"``, or ``"; known: a, b, c"`` where no name is near, or nothing where none is known.
    """
    names = list(dict.fromkeys(known))
    close = get_close_matches(name, names, n=1) or [other for other in names if other.casefold() == name.casefold()]
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
