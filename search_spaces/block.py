"""A block of a search space: levels of each factor. Its fields are the factors, beside the ``budget`` of a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Annotated, Any

from search_spaces.factors.factor import Factor, Known
from search_spaces.factors.forms import ACTIVATIONS, EQUAL, SCALE, Activation, Balancing, Form
from search_spaces.factors.grouping import GROUPINGS, Grouping
from search_spaces.factors.initialization import Initialization, Ones
from search_spaces.factors.kinds import (
    EQUAL_STEPS,
    BudgetFactor,
    FormFactor,
    GroupingFactor,
    InitializationFactor,
    Placed,
    PlacementFactor,
)
from search_spaces.factors.placement import Placement
from search_spaces.level import Level, one_or_many


class Block(Level):
    """Levels of each factor; the block stands for their Cartesian product. An omitted factor keeps its released level.

    Each factor takes a list of levels or a single level, written as in a study file or as an instance of its class.

    Example:
        >>> block = Block.model_validate({"placement": ["late", ["fc"]], "form": "low_rank(2)"})
        >>> block == Block(placement=(Placement("late"), Placement(("fc",))), form=(Form("low_rank(2)"),))
        True
    """

    placement: Annotated[
        tuple[Placement, ...],
        one_or_many(Placement),
        PlacementFactor(released=Placed(), acts="where modulated", in_every_id=True),
    ] = (Placement("late"),)
    initialization: Annotated[
        tuple[Initialization, ...],
        one_or_many(Initialization),
        InitializationFactor(released=Ones(), acts="on vectors", setting="modulation.initialization", in_every_id=True),
    ] = (Ones(),)
    form: Annotated[
        tuple[Form, ...],
        one_or_many(Form),
        FormFactor(released=SCALE, acts="where modulated", in_every_id=True),
    ] = (Form("scale"),)
    activation: Annotated[
        tuple[Activation, ...],
        one_or_many(Activation),
        Factor(released=ACTIVATIONS[0], acts="on vectors", setting="modulation.activation", in_every_id=True),
    ] = ACTIVATIONS[:1]
    grouping: Annotated[
        tuple[Grouping, ...],
        one_or_many(Grouping),
        GroupingFactor(released=None, in_every_id=True),
    ] = (GROUPINGS["per_task"],)
    balancing: Annotated[
        tuple[Balancing, ...],
        one_or_many(Balancing),
        Factor(released=EQUAL, acts="where balanced", setting="balancing.method"),
    ] = (EQUAL,)

    def combinations(self, known: Known) -> Iterator[dict[str, Any]]:
        """Yield every combination of the resolved levels, by factor name.

        Raises:
            ValueError: A stage, task or form is unknown, or groups are not a partition. The message starts with the
                factor.
        """
        resolved = [_resolved(factor, getattr(self, name), known) for name, factor in _OF_BLOCKS.items()]
        for levels in product(*resolved):
            yield dict(zip(_OF_BLOCKS, levels, strict=True))


_OF_BLOCKS: dict[str, Factor] = {
    name: replace(next(rule for rule in field.metadata if isinstance(rule, Factor)), name=name)
    for name, field in Block.model_fields.items()
}

FACTORS: dict[str, Factor] = _OF_BLOCKS | {"budget": BudgetFactor(released=EQUAL_STEPS, name="budget")}
"""All factors by name, in the order in which their levels are combined; ``budget`` is the same in all blocks."""


def factor_columns(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that describe an arm in tables and MLflow, from its record in the plan or journal."""
    return {name: value for factor in FACTORS.values() for name, value in factor.columns(record).items()}


def _resolved(factor: Factor, levels: tuple[Any, ...], known: Known) -> list[Any]:
    try:
        return [resolved for level in levels for resolved in factor.resolve(level, known)]
    except ValueError as error:
        raise ValueError(f"{factor.name}: {error}") from error
