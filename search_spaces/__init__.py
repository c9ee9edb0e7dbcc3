"""What may vary: factors, levels, nuisance ranges, named spaces. No torch, no Ray."""

from search_spaces.arms import Arm
from search_spaces.catalog import CATALOG
from search_spaces.factors.forms import FormLevel
from search_spaces.factors.grouping import GroupingLevel, GroupingRule
from search_spaces.factors.initialization import InitializationLevel
from search_spaces.factors.placement import PlacementRule
from search_spaces.nuisance import Choice, FloatRange, IntRange, NuisanceRange
from search_spaces.parsing import parse_space
from search_spaces.space import Block, Expansion, SearchSpace

__all__ = [
    "CATALOG",
    "Arm",
    "Block",
    "Choice",
    "Expansion",
    "FloatRange",
    "FormLevel",
    "GroupingLevel",
    "GroupingRule",
    "InitializationLevel",
    "IntRange",
    "NuisanceRange",
    "PlacementRule",
    "SearchSpace",
    "parse_space",
]
