"""What may vary: factors, levels, nuisance ranges, named spaces. Imports none of the other packages; no torch, no Ray.

Everything public is loaded when it is first used::

    from search_spaces import CATALOG, Block, FloatRange, Placement, SearchSpace

To add a factor or a nuisance hyperparameter, see CONTRIBUTING.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search_spaces.arms import Arm
    from search_spaces.catalog import CATALOG, Space
    from search_spaces.factors.forms import Form
    from search_spaces.factors.grouping import Grouping
    from search_spaces.factors.groups import RandomGroups, ShuffledGroups
    from search_spaces.factors.initialization import Binary, Constant, Disjoint, Initialization, Normal, Ones, Uniform
    from search_spaces.factors.placement import Placement
    from search_spaces.nuisance import Choice, FloatRange, IntRange, NuisanceRange
    from search_spaces.space import Block, Expansion, SearchSpace

__all__ = [
    "CATALOG",
    "Arm",
    "Binary",
    "Block",
    "Choice",
    "Constant",
    "Disjoint",
    "Expansion",
    "FloatRange",
    "Form",
    "Grouping",
    "Initialization",
    "IntRange",
    "Normal",
    "NuisanceRange",
    "Ones",
    "Placement",
    "RandomGroups",
    "SearchSpace",
    "ShuffledGroups",
    "Space",
    "Uniform",
]

_HOMES = {
    "arms": ("Arm",),
    "catalog": ("CATALOG", "Space"),
    "factors.forms": ("Form",),
    "factors.grouping": ("Grouping",),
    "factors.groups": ("RandomGroups", "ShuffledGroups"),
    "factors.initialization": ("Binary", "Constant", "Disjoint", "Initialization", "Normal", "Ones", "Uniform"),
    "factors.placement": ("Placement",),
    "nuisance": ("Choice", "FloatRange", "IntRange", "NuisanceRange"),
    "space": ("Block", "Expansion", "SearchSpace"),
}


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
