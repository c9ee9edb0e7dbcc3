"""Named search spaces and their registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from search_spaces.level import refusal_at
from search_spaces.names import name_among, nearest
from search_spaces.space import SearchSpace

RATE_AND_MARGIN = {
    "learning_rate": {"low": 3e-4, "high": 3e-2, "log": True},
    "margin": {"low": 0.1, "high": 0.4},
}
"""Ranges around Adam's usual learning rate and the released margin of 0.2."""


def _space(*blocks: dict[str, Any]) -> SearchSpace:
    return SearchSpace.model_validate({"blocks": blocks, "nuisance": RATE_AND_MARGIN})


DEFAULT = _space(
    {"placement": "none", "grouping": "network_per_task"},
    {"placement": "none"},
    {"placement": "embedding", "initialization": ["csn-fixed", "csn-learned"]},
    {"placement": ["late", "all"]},
)
"""Separate networks, one shared network, CSN fixed and learned, the released modulation, and modulation everywhere."""

PLACEMENT = _space({"placement": "none"}, {"placement": ["suffixes", "each", "prefixes"]})
"""No modulation, the last 1, 2, ... stages, each stage alone, and the first 1, 2, ... stages."""

INITIALIZATION = _space(
    {"placement": "none"},
    {
        "initialization": [
            "ones",
            "constant(0.5)",
            "normal(1,0.1)",
            "csn-learned",
            "normal(0.9,0.7)-frozen",
            "uniform(0,1)",
            "uniform(0,1)-frozen",
            "csn-blocks",
            "disjoint(0.1)-frozen",
            "csn-fixed",
            "astmt-sigmoid",
            "routing-binary",
            "piggyback-scores",
        ]
    },
)
"""Every initialization at the released placement, with one shared network as the reference.

Left out: frozen ones and frozen constants (they do not separate tasks), and trained disjoint blocks of 1 with 0
elsewhere (a ReLU has no gradient at zero, so the zeros never change).
"""

GROUPING = _space(
    {"placement": "none", "grouping": ["per_task", "network_per_task"]},
    {"grouping": ["per_task", "shared", "network_per_task"]},
)
"""Vectors per task, one set for all tasks, and networks per task, plus shared and separate networks without vectors."""

RIVALS = _space(
    {"placement": "none", "grouping": "network_per_task"},
    {
        "placement": "none",
        "balancing": [
            *("equal", "pcgrad", "cagrad", "mgda", "upgrad", "nash_mtl", "uncertainty", "gradnorm", "famo"),
        ],
    },
    {"placement": ["embedding", "last_two"], "form": "own"},
    {"placement": "embedding", "initialization": ["csn-fixed", "csn-learned", "csn-blocks"]},
    {"placement": "late", "form": ["scale", "scale_shift", "low_rank", "projection", "squeeze_excite"]},
    {
        "placement": "all",
        "form": [
            *("scale", "task_routing", "batch_norm_statistics", "batch_norm_affine"),
            *("batch_norm", "parallel_adapter", "filter_mixing", "weight_mask"),
            *(f"low_rank_convolution({rank})" for rank in (1, 2, 4, 8)),
        ],
    },
)
"""All forms of the modulation module, and competing proposals at their published placements."""

CATALOG: dict[str, SearchSpace] = {
    "default": DEFAULT,
    "placement": PLACEMENT,
    "initialization": INITIALIZATION,
    "grouping": GROUPING,
    "rivals": RIVALS,
}
"""Spaces by name. None depends on the tasks, so each fits any data; task groups are defined in the study file."""


_KEYS = ("catalog", *SearchSpace.model_fields)


def _from_catalog(value: Any) -> Any:
    """Replace a name or ``{catalog: name, ...}`` with the named space, with any given nuisance ranges and values."""
    if isinstance(value, str):
        return CATALOG[name_among(value, CATALOG, "search space")]
    if not isinstance(value, Mapping):
        if isinstance(value, SearchSpace):
            return value
        raise ValueError(f"expected a name or a mapping with the keys {', '.join(_KEYS)}, got {value!r}")
    unknown = next((key for key in value if key not in _KEYS), None)
    if unknown is not None:
        raise refusal_at((str(unknown),), f"unknown key{nearest(str(unknown), _KEYS)}", value[unknown])
    if ("catalog" in value) == ("blocks" in value):
        raise ValueError(f"expected either 'catalog' or 'blocks', got the keys {', '.join(map(str, value)) or 'none'}")
    if "blocks" in value:
        return value
    try:
        named = CATALOG[name_among(value["catalog"], CATALOG, "search space")]
    except ValueError as error:
        raise refusal_at(("catalog",), str(error), value["catalog"]) from None
    changes = {key: item for key, item in value.items() if key != "catalog"}
    return {"blocks": named.blocks, "nuisance": named.nuisance, "fixed": named.fixed, "budget": named.budget, **changes}


Space = Annotated[SearchSpace, BeforeValidator(_from_catalog)]
"""A space as written in a study file: a catalog name, ``{catalog: name}`` with other nuisance, or explicit blocks."""
