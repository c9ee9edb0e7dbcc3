"""An arm: one combination of factor levels for a given backbone and given tasks, with a stable id and a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from search_spaces.block import FACTORS
from search_spaces.factors.forms import FormTraits
from search_spaces.factors.grouping import GROUPINGS, GroupingLevel
from search_spaces.factors.initialization import Start
from search_spaces.factors.placement import Points


@dataclass(frozen=True)
class Arm:
    """One method compared in a study. Created by ``SearchSpace.arms``, which brings the levels into canonical form.

    Attributes:
        name: Short name for tables and figures, unique within its space.
        levels: The level of each factor, by factor name.
    """

    name: str
    levels: Mapping[str, Any] = field(hash=False)

    @property
    def points(self) -> Points:
        """Modulated stages in backbone order; empty for a network without modulation."""
        points: Points = self.levels["placement"].points
        return points

    @cached_property
    def arm_id(self) -> str:
        """12 hexadecimal digits of a BLAKE2b hash of the levels; independent of names."""
        identity: dict[str, Any] = {}
        for name, factor in FACTORS.items():
            if factor.in_every_id or self.levels[name] != factor.released:
                identity |= factor.identity(self.levels[name])
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return a complete record of the arm as JSON values, for the journal of its trials."""
        record: dict[str, Any] = {"name": self.name, "arm_id": self.arm_id}
        for name, factor in FACTORS.items():
            record |= factor.record(self.levels[name])
        return record

    def settings(self, tasks: tuple[str, ...]) -> dict[str, Any]:
        """Return the settings of the arm's trials by dotted key."""
        settings: dict[str, Any] = {}
        for name, factor in FACTORS.items():
            settings |= factor.settings(self.levels[name], tasks)
        return settings


def canonical(levels: Mapping[str, Any], traits: FormTraits, tasks: tuple[str, ...]) -> dict[str, Any]:
    """Return the canonical form shared by all combinations of levels that describe the same network, bit for bit.

    A factor that has no effect is set to its released level: modulation factors in a network without modulation, vector
    factors for a form without vectors, balancing for networks with one task each. A form whose first group keeps the
    shared weights does not modulate if there is only one group. A ReLU on frozen non-negative vectors has no effect. A
    published initialization determines the activation.

    Args:
        levels: Level of each factor, by factor name.
        traits: Traits of the form in ``levels``.
        tasks: Names of the tasks in order.
    """
    grouping: GroupingLevel = levels["grouping"]
    alone = grouping.level == "network" and all(len(group) == 1 for group in grouping.groups)
    one_group = alone or (grouping.level == "modulation" and len(grouping.groups) == 1)
    bare = not levels["placement"].points or (traits.keeps_first and one_group)
    idle = {
        "always": False,
        "where modulated": bare,
        "on vectors": bare or not traits.of_vectors,
        "where balanced": alone,
    }
    kept = {name: factor.released if idle[factor.acts] else levels[name] for name, factor in FACTORS.items()}
    if bare and grouping.level != "network":
        kept["grouping"] = GROUPINGS["per_task"].resolve(tasks)
    if bare and kept["grouping"].level != "network" and kept["balancing"] == FACTORS["balancing"].released:
        kept["budget"] = FACTORS["budget"].released  # the shared network, to which the cost of others is compared
    if not idle["on vectors"]:
        start: Start = levels["initialization"]
        kept["initialization"] = start.canonical()
        kept["activation"] = start.activation or levels["activation"]
        if kept["activation"] == "none" and start.stays_non_negative:
            kept["activation"] = FACTORS["activation"].released
    return kept


def arm_name(levels: Mapping[str, Any]) -> str:
    """Return ``shared`` or ``separate``, or else the placement followed by every level other than the released one."""
    names = {name: factor.name_of(levels[name]) for name, factor in FACTORS.items()}
    plain_networks = {"per_task": "shared", "network_per_task": "separate"}
    first = names.pop("placement")
    if not levels["placement"].points and names["grouping"] in plain_networks:
        first = plain_networks[names.pop("grouping")]
    return "+".join([first, *(shown for name, shown in names.items() if shown != FACTORS[name].usual_name)])
