"""What other installed packages add to a registry, named in entry points of their distribution."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TypeVar

from trainables.foundation.names import look_up

Value = TypeVar("Value")


def find(key: str, name: str, known: dict[str, Value], group: str) -> Value:
    """Return ``known[name]``, taking the name from the entry points of ``group`` if nobody has registered it here.

    An entry point reaches every worker on which the package is installed; a call of a ``register`` function only the
    process it is made in.

    Args:
        key: What is looked up, for messages.
        name: The name.
        known: The registry; what is found is added.
        group: Such as ``modstudy.forms``.

    Raises:
        ValueError: If the name is known nowhere; the message gives the nearest known one.
    """
    if name not in known:
        for entry in entry_points(group=group, name=name):
            known[name] = entry.load()
    return look_up(key, name, known)
