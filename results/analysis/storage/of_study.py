"""The arms of a study at every precision: by its tables, by forecast, and as ``modstudy storage`` measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from results.analysis.confirmed import ConfirmedResults, seed_values
from results.analysis.storage.arms import StoredArm, Work, estimates

GALLERIES = (1e4, 1e6, 1e9)
"""Numbers of gallery images for which a report gives bytes."""

_FROM_TABLES = ("fp32", "fp16")

_NEEDED = (
    "parameters",
    "added_parameters",
    *(f"{what}_{precision}" for what in ("bytes", "index_bytes_per_image") for precision in _FROM_TABLES),
    "embeddings_per_image",
    "multiply_adds_per_image",
)
"""Columns of the ledger without which an arm is left out; tables of old runs may lack them."""


@dataclass(frozen=True)
class MeasuredStorage:
    """A confirm trial that was stored, read back and evaluated.

    Attributes:
        trial_id: Of the trial.
        network, index: Precision of each.
        network_bytes: Of the tensors in the file.
        index_bytes_per_image: In the index, for all tasks.
        accuracy: Triplet accuracy on test images by task; empty where its embeddings were not finite.
    """

    trial_id: str
    network: str
    index: str
    network_bytes: int
    index_bytes_per_image: int
    accuracy: Mapping[str, float]


@dataclass(frozen=True)
class ArmForecast:
    """What an arm takes by its configuration.

    Attributes:
        network_bytes: By precision; ``1bit`` only where it exists.
        index_bytes_per_image: Of all tasks, by precision.
        multiply_adds: Work in multiply-adds.
        seconds: Work in seconds, where ``modstudy storage`` measured it.
    """

    network_bytes: Mapping[str, int]
    index_bytes_per_image: Mapping[str, int]
    multiply_adds: Work
    seconds: Work | None = None


@dataclass(frozen=True)
class StorageKnown:
    """What is known beside the tables: stored trials, and forecasts by arm id."""

    measured: tuple[MeasuredStorage, ...] = ()
    forecasts: Mapping[str, ArmForecast] = field(default_factory=dict)


def stored_arms(
    summary: pd.DataFrame, confirmed: ConfirmedResults, known: StorageKnown, tasks: int
) -> tuple[StoredArm, ...]:
    """Return every arm with a known size at every precision that exists for it, and in the formats measured.

    Without a measurement, an arm at another precision than fp32 has no accuracy. Without a forecast there is only fp32
    and fp16, and work of queries is NaN: it is not in the tables.

    Args:
        summary: The ``summary`` table.
        confirmed: The confirm trials that are reported.
        known: What is known beside the tables; trials that are not reported are ignored.
        tasks: Number of tasks of the study.
    """
    trials = confirmed.trials.set_index("trial_id")[["arm_id", "train_seed"]].to_dict("index")
    by_arm: dict[str, dict[_Form, dict[int, MeasuredStorage]]] = {}
    for found in known.measured:
        if trial := trials.get(found.trial_id):
            own = by_arm.setdefault(str(trial["arm_id"]), {})
            own.setdefault((found.network, found.index), {})[int(trial["train_seed"])] = found
    by_seed, arms = confirmed.by_seed(), list[StoredArm]()
    for row in summary.dropna(subset=list(_NEEDED)).to_dict("records"):
        arm_id = str(row["arm_id"])
        arm = _Arm(row, tasks, seed_values(by_seed, arm_id), known.forecasts.get(arm_id) or _of_tables(row))
        measured = by_arm.get(arm_id, {})
        forms = dict.fromkeys([*((name, name) for name in arm.forecast.network_bytes), *measured])
        arms += [_stored(arm, form, measured.get(form, {})) for form in forms]
    return tuple(arms)


_Form = tuple[str, str]


@dataclass(frozen=True)
class _Arm:
    """A row of the summary, the number of tasks, the accuracy by seed as trained, in fp32, and the forecast."""

    row: Mapping[Any, Any]
    tasks: int
    at_fp32: Mapping[int, float]
    forecast: ArmForecast


def _of_tables(row: Mapping[Any, Any]) -> ArmForecast:
    return ArmForecast(
        {name: int(row[f"bytes_{name}"]) for name in _FROM_TABLES},
        {name: int(row[f"index_bytes_per_image_{name}"]) for name in _FROM_TABLES},
        Work(float(row["multiply_adds_per_image"]), math.nan, math.nan),
    )


def _stored(arm: _Arm, form: _Form, found: Mapping[int, MeasuredStorage]) -> StoredArm:
    network, index = form
    plain = form == ("fp32", "fp32")
    means = {seed: sum(own.accuracy.values()) / len(own.accuracy) for seed, own in found.items() if own.accuracy}
    accuracy, change = estimates(arm.at_fp32 if plain else means, None if plain else arm.at_fp32)
    first = next(iter(found.values()), None)
    row = arm.row
    return StoredArm(
        arm=str(row["arm"]),
        network=network,
        index=index,
        tasks=arm.tasks,
        shared_parameters=int(row["parameters"] - row["added_parameters"]),
        added_parameters=int(row["added_parameters"]),
        network_bytes=arm.forecast.network_bytes[network] if first is None else first.network_bytes,
        vectors_per_image=int(row["embeddings_per_image"]),
        index_bytes_per_image=(
            arm.forecast.index_bytes_per_image[index] if first is None else first.index_bytes_per_image
        ),
        multiply_adds=arm.forecast.multiply_adds,
        seconds=arm.forecast.seconds,
        accuracy=accuracy,
        change=change,
    )
