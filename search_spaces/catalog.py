"""Named spaces, and the only registry of them."""

from __future__ import annotations

from search_spaces.arms import ONES
from search_spaces.factors.forms import FormLevel
from search_spaces.factors.grouping import GROUPINGS
from search_spaces.factors.initialization import PUBLISHED, InitializationLevel
from search_spaces.factors.placement import PlacementRule
from search_spaces.nuisance import FloatRange, NuisanceRange
from search_spaces.space import Block, SearchSpace

NONE, EMBEDDING, LAST_TWO, LATE, ALL = (
    PlacementRule(name) for name in ("none", "embedding", "last_two", "late", "all")
)
SHARED_NETWORK = Block(placement=(NONE,))

RATE_AND_MARGIN: dict[str, NuisanceRange] = {
    "learning_rate": FloatRange(3e-4, 3e-2, log=True),
    "margin": FloatRange(0.1, 0.4),
}
"""Around Adam's usual rate and the released margin of 0.2."""

DEFAULT = SearchSpace(
    blocks=(
        Block(placement=(NONE,), grouping=(GROUPINGS["network_per_task"],)),
        SHARED_NETWORK,
        Block(placement=(EMBEDDING,), initialization=(PUBLISHED["csn-fixed"], PUBLISHED["csn-learned"])),
        Block(placement=(LATE, ALL)),
    ),
    nuisance=RATE_AND_MARGIN,
)
"""Separate networks, one shared network, CSN fixed and learned, the released modulation, and modulation everywhere."""

PLACEMENT = SearchSpace(
    blocks=(
        SHARED_NETWORK,
        Block(placement=(PlacementRule("suffixes"), PlacementRule("each"), PlacementRule("prefixes"))),
    ),
    nuisance=RATE_AND_MARGIN,
)
"""No modulation, the last 1, 2, ... stages, each stage alone, and the first 1, 2, ... stages."""

INITIALIZATION = SearchSpace(
    blocks=(
        SHARED_NETWORK,
        Block(
            initialization=(
                ONES,
                InitializationLevel("constant", value=0.5),
                InitializationLevel("normal", mean=1.0, std=0.1),
                PUBLISHED["csn-learned"],
                InitializationLevel("normal", trainable=False, mean=0.9, std=0.7),
                InitializationLevel("uniform", low=0.0, high=1.0),
                InitializationLevel("uniform", trainable=False, low=0.0, high=1.0),
                PUBLISHED["csn-blocks"],
                InitializationLevel("disjoint", trainable=False, off=0.1),
                PUBLISHED["csn-fixed"],
                PUBLISHED["astmt-sigmoid"],
                PUBLISHED["routing-binary"],
                PUBLISHED["piggyback-scores"],
            )
        ),
    ),
    nuisance=RATE_AND_MARGIN,
)
"""Every start at the released placement, with one shared network beside them for reference.

Left out: frozen ones and frozen constants (they separate no tasks), and disjoint blocks of 1 in a sea of 0 that are
trained (behind a ReLU a zero has no gradient, so it stays zero).
"""

GROUPING = SearchSpace(
    blocks=(
        Block(placement=(NONE,), grouping=(GROUPINGS["per_task"], GROUPINGS["network_per_task"])),
        Block(grouping=(GROUPINGS["per_task"], GROUPINGS["shared"], GROUPINGS["network_per_task"])),
    ),
    nuisance=RATE_AND_MARGIN,
)
"""Vectors per task, one set for all tasks, and networks per task, with the two plain networks beside them."""

RIVALS = SearchSpace(
    blocks=(
        Block(placement=(NONE,), grouping=(GROUPINGS["network_per_task"],)),
        Block(
            placement=(NONE,),
            balancing=("equal", "pcgrad", "cagrad", "mgda", "upgrad", "nash_mtl", "uncertainty", "gradnorm", "famo"),
        ),
        Block(placement=(EMBEDDING, LAST_TWO), form=(FormLevel("own"),)),
        Block(
            placement=(EMBEDDING,),
            initialization=(PUBLISHED["csn-fixed"], PUBLISHED["csn-learned"], PUBLISHED["csn-blocks"]),
        ),
        Block(
            placement=(LATE,),
            form=tuple(
                FormLevel(kind) for kind in ("scale", "scale_shift", "low_rank", "projection", "squeeze_excite")
            ),
        ),
        Block(
            placement=(ALL,),
            form=(
                *(FormLevel(kind) for kind in ("scale", "task_routing", "batch_norm_statistics", "batch_norm_affine")),
                *(FormLevel(kind) for kind in ("batch_norm", "parallel_adapter", "filter_mixing", "weight_mask")),
                *(FormLevel("low_rank_convolution", rank) for rank in (1, 2, 4, 8)),
            ),
        ),
    ),
    nuisance=RATE_AND_MARGIN,
)
"""The modulation module in its forms, and what has been proposed beside and against it, at the published placements."""

CATALOG: dict[str, SearchSpace] = {
    "default": DEFAULT,
    "placement": PLACEMENT,
    "initialization": INITIALIZATION,
    "grouping": GROUPING,
    "rivals": RIVALS,
}
"""Name to space. None depends on the tasks, so each fits any data; groups of tasks are written in the study file."""
