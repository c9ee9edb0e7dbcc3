"""Reading a search space from a study file: a catalog name, a catalog name with changes, or blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from search_spaces.catalog import CATALOG
from search_spaces.factors.forms import ACTIVATIONS, parse_balancing, parse_form
from search_spaces.factors.grouping import parse_grouping
from search_spaces.factors.initialization import parse_initialization
from search_spaces.factors.placement import parse_placement
from search_spaces.nuisance import NUISANCE, NuisanceRange, check_nuisance, parse_range, parse_value
from search_spaces.reading import below, located, mapping, name_among, refusal, sequence
from search_spaces.space import Block, SearchSpace


def parse_space(value: Any, key: str = "") -> SearchSpace:
    """Read a space: ``default``; ``{catalog: default, nuisance: ..., fixed: ...}``; or ``{blocks: [...], ...}``.

    Beside ``catalog``, ``nuisance`` and ``fixed`` replace the catalog's own.

    Args:
        value: Plain YAML values.
        key: Dotted key of ``value`` in its file; empty for keys inside the space alone.

    Raises:
        ValueError: anything unknown, missing or out of bounds; starts with the dotted key.
    """
    if isinstance(value, SearchSpace):
        return value
    if isinstance(value, str):
        with located(key):
            return CATALOG[name_among(value, CATALOG, "search space")]
    values = mapping(value, ("catalog", "blocks", "nuisance", "fixed"), key)
    if ("catalog" in values) == ("blocks" in values):
        raise refusal(key, f"expected either 'catalog' or 'blocks', got the keys {', '.join(values) or 'none'}")
    parts: dict[str, Any] = {}
    if "nuisance" in values:
        parts["nuisance"] = _parse_nuisance(values["nuisance"], below(key, "nuisance"), parse_range)
    if "fixed" in values:
        parts["fixed"] = _parse_nuisance(values["fixed"], below(key, "fixed"), parse_value)
    if "catalog" in values:
        with located(below(key, "catalog")):
            space = CATALOG[name_among(values["catalog"], CATALOG, "search space")]
    else:
        written = sequence(values["blocks"], below(key, "blocks"))
        space = SearchSpace(tuple(_parse_block(item, below(key, f"blocks[{i}]")) for i, item in enumerate(written)))
    try:
        return replace(space, **parts)
    except ValueError as error:  # this message starts with a key inside the space
        raise ValueError(below(key, str(error))) from error


def _parse_nuisance(
    value: Any, key: str, parse: Callable[[str, Any, str], Any]
) -> dict[str, NuisanceRange] | dict[str, float | int]:
    parsed = {}
    for name, item in mapping(value, NUISANCE, key).items():
        place = below(key, name)
        parsed[name] = parse(name, item, place)
        with located(place):
            check_nuisance(name, parsed[name])
    return parsed


def _parse_activation(value: Any, key: str) -> str:
    with located(key):
        return name_among(value, ACTIVATIONS, "activation")


_FACTORS: dict[str, Callable[[Any, str], Any]] = {
    "placement": parse_placement,
    "initialization": parse_initialization,
    "grouping": parse_grouping,
    "form": parse_form,
    "activation": _parse_activation,
    "balancing": parse_balancing,
}


def _parse_block(value: Any, key: str) -> Block:
    """Read a block: every factor's levels as a list, or one level written without a list."""
    factors = {}
    for factor, levels in mapping(value, _FACTORS, key).items():
        place = below(key, factor)
        if not isinstance(levels, list | tuple):
            factors[factor] = (_FACTORS[factor](levels, place),)
            continue
        written = sequence(levels, place)
        factors[factor] = tuple(_FACTORS[factor](item, f"{place}[{index}]") for index, item in enumerate(written))
    return Block(**factors)
