"""What the page shows of analyses over all arms: what matters, performance profiles, and storage."""

from __future__ import annotations

from dataclasses import dataclass

from results.page.model import Estimate


@dataclass(frozen=True)
class EffectShown:
    """The importance of a factor or nuisance value, or the share of variance of a term; ``p`` of its F test."""

    name: str
    kind: str
    value: float
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class ImportanceShown:
    """What matters, by response (accuracy, worst task, bytes).

    Attributes:
        tune: importances over tune trials, which sum to 1.
        confirm: shares of the variance between confirm trials.
        trials: number of tune trials.
        runs: number of confirm trials.
        seeds: of the confirm trials, as text.
        notes: what is missing, and why.
    """

    tune: dict[str, tuple[EffectShown, ...]]
    confirm: dict[str, tuple[EffectShown, ...]]
    trials: int
    runs: int
    seeds: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Of one arm: the share of its runs above each threshold."""

    share: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True)
class PerformanceShown:
    """How the runs of arms are distributed, and how they stand against one arm.

    Attributes:
        reference: name of that arm; empty without one.
        thresholds: of the profiles.
        profiles: by ``arm_id``.
        improvement: by ``arm_id``, the probability of improvement over the reference.
        relative: by ``arm_id``, the mean over tasks of the relative gain over it.
        told: ``arm_id`` of the arms that are told apart from it.
        left_out: number of arms of lower accuracy that have no profile here, to keep the page small.
    """

    reference: str
    thresholds: tuple[float, ...]
    profiles: dict[str, Profile]
    improvement: dict[str, Estimate]
    relative: dict[str, Estimate]
    told: tuple[str, ...]
    left_out: int


@dataclass(frozen=True)
class StoredShown:
    """An arm in one format.

    Attributes:
        arm: ``arm_id``.
        form: the format.
        accuracy: re-measured in this format; None if it was not.
        change: of the accuracy against fp32, paired by seed.
        network: bytes of the network.
        index: bytes of an image in the index, for all tasks.
        vectors: that the index stores per image.
        shared, added: parameters of one network without modulation, and beyond it.
        multiply_adds, query: to embed one gallery image for all tasks, and one query for one task; None if unknown.
        image_seconds, query_seconds: the same, measured; None if they were not.
        outweighs: number of images from which the index takes more bytes than the network.
        efficient: gallery sizes at which no other arm is as good in accuracy, bytes and multiply-adds.
    """

    arm: str
    form: str
    accuracy: Estimate | None
    change: Estimate | None
    network: int
    index: int
    vectors: int
    shared: int
    added: int
    multiply_adds: float
    query: float | None
    image_seconds: float | None
    query_seconds: float | None
    outweighs: float
    efficient: tuple[float, ...]


@dataclass(frozen=True)
class StorageShown:
    """The arms in every format, gallery sizes, break-even sizes as sentences, and what was not measured."""

    galleries: tuple[float, ...]
    arms: tuple[StoredShown, ...]
    break_even: tuple[str, ...]
    note: str
