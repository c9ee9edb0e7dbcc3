"""What has changed in a study since the run whose results are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from study.plan.plan import StudyPlan
from study.run_folder.ownership import change_of
from study.session.target import Target

_OF_NO_RESULT = (
    *("name", "description", "tracking", "resources"),
    "data",  # other data is another study, and ``study.run_folder.ownership`` refuses it
    *("agreement", "evaluation.validate_every"),  # monitoring has its own note
    *("network.folder", "network.weights.path"),  # ids hold what is there, not where
    *("compute.data_on_device", "compute.graph", "compute.device"),
)
"""Sections and keys that are not compared; the device is compared with the one that the plan chose."""

_DEEPEST = 2
"""Dots in a compared key: ``space.nuisance.margin`` is compared as a whole."""

_LONGEST = 100
_MOST_NAMED = 4


def edits_line(target: Target, plan: StudyPlan) -> str | None:
    """Return a line that names the settings in which a study differs from the plan of its run; None if none differs."""
    edits = list(_edits(target, plan))
    if not edits:
        return None
    more = f"; and {len(edits) - _MOST_NAMED} more" if len(edits) > _MOST_NAMED else ""
    return (
        f"these results are of the study as it was last run, and its definition has changed since:"
        f" {'; '.join(edits[:_MOST_NAMED])}{more}; to train what is missing: {target.command('run')}"
    )


def _edits(target: Target, plan: StudyPlan) -> Iterator[str]:
    before, now = _flat(plan.definition.to_dict()), _flat(target.definition.to_dict())
    for key in dict.fromkeys((*before, *now)):
        if before.get(key) != now.get(key):
            change = change_of(key, before.get(key), now.get(key))
            yield change if None not in (before.get(key), now.get(key)) and len(change) <= _LONGEST else key
    if target.definition.compute.device not in ("auto", plan.device.kind):
        yield change_of("compute.device", plan.device.kind, target.definition.compute.device)


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the compared settings by dotted key."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = above + name
        if key not in _OF_NO_RESULT:
            section = isinstance(value, Mapping) and key.count(".") < _DEEPEST
            flat |= _flat(value, f"{key}.") if section else {key: value}
    return flat
