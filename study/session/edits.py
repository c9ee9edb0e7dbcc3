"""What has changed in a study since the run whose results are read."""

from __future__ import annotations

from collections.abc import Iterator

from study.definition.dotted import dotted
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
    before, now = (
        dotted(definition.to_dict(), without=_OF_NO_RESULT, deepest=_DEEPEST)
        for definition in (plan.definition, target.definition)
    )
    tunes_own = target.definition.space.tune_own  # then a plan has ranges that nobody wrote
    for key in dict.fromkeys((*before, *now)):
        if tunes_own and key.startswith("space.nuisance.") and key not in now:
            continue
        if before.get(key) != now.get(key):
            change = change_of(key, before.get(key), now.get(key))
            yield change if None not in (before.get(key), now.get(key)) and len(change) <= _LONGEST else key
    if target.definition.compute.device not in ("auto", plan.device.kind):
        yield change_of("compute.device", plan.device.kind, target.definition.compute.device)
