"""The settings of a definition by dotted key."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any


def dotted(
    values: Mapping[str, Any], *, without: Container[str], deepest: float = math.inf, above: str = ""
) -> dict[str, Any]:
    """Return nested settings by dotted key, such as ``search.halving.epochs``; empty sections have none.

    Args:
        values: nested settings.
        without: dotted keys to leave out, with all below them.
        deepest: the most dots in a key; what lies deeper is the value of its section.
        above: the key of ``values`` itself, with a final dot.
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = above + name
        if key in without:
            continue
        if isinstance(value, Mapping) and key.count(".") < deepest:
            flat |= dotted(value, without=without, deepest=deepest, above=f"{key}.")
        else:
            flat[key] = value
    return flat
