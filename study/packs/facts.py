"""What the manifest of an exported network says of its accuracy, its classes and its data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from results.analysis.statistics import Interval, paired_difference, student_mean
from study.layout import dataset_cache

if TYPE_CHECKING:
    from results.analysis.inference.scores import Scores
    from trainables.config.trial import TrialConfig
    from trainables.packs.manifest import DataFacts, Measure, Metrics

BySeed = Mapping[int, Mapping[str, float]]
"""Accuracy by train seed and task."""

_OWN_IMAGES = "none needed: the images are drawn by modulation-study"


def reported(scores: Scores, arm: str) -> dict[int, dict[str, float]]:
    """Return an arm's accuracy as the report has it, for the seeds with every task."""
    rows = zip(scores.seeds, scores.of(arm).tolist(), strict=True)
    return {
        seed: dict(zip(scores.tasks, row, strict=True)) for seed, row in rows if not any(math.isnan(one) for one in row)
    }


@dataclass(frozen=True)
class Measured:
    """An arm's accuracy at the precision of the pack, and at fp32."""

    by_seed: BySeed
    at_fp32: BySeed

    def metrics(self, scores: Scores, seed: int) -> Metrics | None:
        """Return the metrics for the manifest; None if nothing was measured."""
        from trainables.packs.manifest import Metrics

        if not self.by_seed:
            return None
        chance = {task: None if math.isnan(one) else one for task, one in zip(scores.tasks, scores.chance, strict=True)}
        seeds = tuple(sorted(self.by_seed))
        tasks = [task for task in scores.tasks if all(task in self.by_seed[one] for one in seeds)]
        means, plain = _means(self.by_seed), _means(self.at_fp32)
        known = [one for one in chance.values() if one is not None]
        change = None if self.by_seed is self.at_fp32 else paired_difference(means, plain)
        return Metrics(
            metric=scores.metric,
            mean=_measure(means, sum(known) / len(known) if len(known) == len(chance) else None),
            tasks={task: _measure({one: self.by_seed[one][task] for one in seeds}, chance[task]) for task in tasks},
            this_network=dict(self.by_seed.get(seed, {})),
            change_from_fp32=None if change is None else _of_interval(change.student, change.seeds, None),
        )


def class_names(config: TrialConfig) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of each task; nothing where the images are not here."""
    try:
        return config.data.open(config.data_seed, dataset_cache()).classes()
    except (ValueError, OSError):
        return {}


def data_facts(config: TrialConfig, licence: str | None) -> DataFacts:
    """Return the kind of the images, and their licence if the user named it or the project drew them."""
    from trainables.packs.manifest import DataFacts

    kind = config.data.source.kind
    return DataFacts(source=kind, licence=licence or (_OWN_IMAGES if kind == "generated" else None))


def _means(by_seed: BySeed) -> dict[int, float]:
    return {seed: sum(tasks.values()) / len(tasks) for seed, tasks in by_seed.items()}


def _measure(values: Mapping[int, float], chance: float | None) -> Measure:
    seeds = tuple(sorted(values))
    return _of_interval(student_mean(np.array([values[seed] for seed in seeds])), seeds, chance)


def _of_interval(found: Interval, seeds: tuple[int, ...], chance: float | None) -> Measure:
    from trainables.packs.manifest import Measure

    return Measure(mean=found.mean, low=found.low, high=found.high, seeds=seeds, chance=chance)
