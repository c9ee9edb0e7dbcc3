"""Which arm and which seed of a run are exported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from study.errors import UserError
from study.packs.extras import Extras

if TYPE_CHECKING:
    from results.analysis.reported import Results

DEFAULT_RULE = "cheapest-within:0.01"
_RULE = "cheapest-within"


@dataclass(frozen=True)
class ExportRequest:
    """What the user asks.

    Attributes:
        arm: Name of the arm; None picks it by ``rule``.
        rule: ``cheapest-within:POINTS``, the arm of fewest added parameters within so much of the best validation
            accuracy.
        seed: Train seed of the confirm trial; None for the first.
        precision: ``fp32``, ``fp16``, ``int8`` or ``1bit``.
        data_licence: Licence of the images, for the manifest.
        extras: What is written beside the packs.
    """

    arm: str | None = None
    rule: str | None = None
    seed: int | None = None
    precision: str = "fp32"
    data_licence: str | None = None
    extras: Extras = field(default_factory=Extras)


def chosen_arm(results: Results, request: ExportRequest) -> tuple[str, str]:
    """Return the name of the arm, and a sentence on how it was chosen.

    Raises:
        UserError: Both an arm and a rule are given, one of them is unknown, or no arm has results.
    """
    if request.arm is not None and request.rule is not None:
        raise UserError(f"arm {request.arm}, rule {request.rule}: name an arm or a rule, not both")
    if request.arm is not None:
        try:
            results.scores.of(request.arm)
        except ValueError as error:
            raise UserError(f"arm: {error}") from None
        return request.arm, "named by the user"
    points = _points(request.rule or DEFAULT_RULE)
    arm = _cheapest_within(results, points)
    if arm is None:
        raise UserError("there is nothing to export yet: no confirm trial has been completed")
    metric = results.confirmed.rule.metric
    return arm, (
        f"{_RULE}:{points:g}: the arm with the fewest added parameters whose mean {metric} on validation images is"
        f" within {points:g} of the highest"
    )


def _cheapest_within(results: Results, points: float) -> str | None:
    """Return the name of the arm; of equally cheap ones, the more accurate. Test images have no say in it."""
    accuracy = results.validation
    arms = results.summary[results.summary["arm_id"].isin(list(accuracy))].dropna(subset=["added_parameters"])
    if arms.empty:
        return None
    validation = arms["arm_id"].map(accuracy)
    near = arms[validation >= validation.max() - points].assign(validation=validation)
    return str(near.sort_values(["added_parameters", "validation"], ascending=[True, False])["arm"].iloc[0])


def chosen_seed(seeds: tuple[int, ...], request: ExportRequest) -> int:
    """Return the train seed; by default the first, since picking the best one on test images would flatter it.

    Args:
        seeds: Of the confirm trials with kept weights, one or more.
        request: What is asked.

    Raises:
        UserError: There is no such confirm trial with kept weights.
    """
    if request.seed is None:
        return min(seeds)
    if request.seed not in seeds:
        known = ", ".join(map(str, sorted(seeds)))
        raise UserError(f"seed: no confirm trial of seed {request.seed} has kept weights; known: {known}")
    return request.seed


def _points(rule: str) -> float:
    name, _, number = rule.partition(":")
    try:
        points = float(number)
    except ValueError:
        points = -1.0
    if name != _RULE or not 0 <= points <= 1:
        raise UserError(f"rule: should be {_RULE}:POINTS with points from 0 to 1, such as {DEFAULT_RULE}; got {rule!r}")
    return points
