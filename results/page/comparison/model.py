"""What the page of a comparison shows. All text is raw: ``results.page.render`` makes it safe to show."""

from __future__ import annotations

from dataclasses import dataclass

from results.page.model import Estimate, MetricShown


@dataclass(frozen=True)
class StudyShown:
    """A study: its name in the comparison, mean chance level, and tasks that others lack."""

    name: str
    chance: float | None
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class ComparedArm:
    """An arm by name, with one entry per study; None where a study lacks it.

    Attributes:
        id: unique on the page.
        name: of the arm.
        studies: test accuracy, mean over the shared tasks.
        added: added parameters.
        tasks: test accuracy by study and shared task.
    """

    id: str
    name: str
    studies: tuple[Estimate | None, ...]
    added: tuple[int | None, ...]
    tasks: tuple[tuple[Estimate | None, ...], ...]


@dataclass(frozen=True)
class SettingShown:
    """A setting that differs, with its value in every study."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class ComparisonPage:
    """Everything on the page, in its order.

    Attributes:
        studies: in the order given.
        tasks: that all studies have.
        notes: what must be known before a difference between studies is believed.
        metrics: the metric that is compared.
        factors: none, since studies need not share any; arms are searched by name.
        arms: those with results in any study.
        settings: of the definitions, those that differ.
        captions: what figures say about their numbers, by what is averaged.
    """

    studies: tuple[StudyShown, ...]
    tasks: tuple[str, ...]
    notes: tuple[str, ...]
    metrics: tuple[MetricShown, ...]
    factors: dict[str, tuple[str, ...]]
    arms: tuple[ComparedArm, ...]
    settings: tuple[SettingShown, ...]
    captions: dict[str, str]
