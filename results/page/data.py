"""Everything that a page shows, as one typed object."""

from __future__ import annotations

from dataclasses import dataclass

from results.page.analyses import ImportanceShown, PerformanceShown, StorageShown
from results.page.model import (
    AgreementShown,
    Arm,
    BandStep,
    ExamplesShown,
    Fact,
    FailureShown,
    LongText,
    MetricShown,
    ModulationShown,
    Pairs,
    TaskShown,
)
from results.report.analyses.numbers import Numbers
from results.report.captions.record import Part


@dataclass(frozen=True)
class PageData:
    """Everything on the page, in its order.

    Attributes:
        study, description: name of the study and what it is about.
        answer: sentences.
        cautions: what a reader must know before believing the rest.
        captions: what each figure says about its numbers, by name.
        metrics, tasks: in the order of the tables.
        factors: levels by factor, of those that differ between arms.
        arms: in the order of the study.
        references: names of the reference arms that the study has.
        tied: names of the arms that cannot be told from the best.
        best: the same in a sentence.
        band: of the front; empty without intervals.
        pairs: differences of any two arms.
        findings: what the seeds tell, in sentences.
        numbers: tables that the details also have.
        importance, performance, storage, agreement, modulation, examples: None or empty where they were not measured.
        failed: of every arm that has no result because its trials failed, a sentence.
        failures: in order of their number.
        facts, texts: provenance.
    """

    study: str
    description: str
    answer: tuple[str, ...]
    cautions: tuple[str, ...]
    captions: dict[str, tuple[Part, ...]]
    metrics: tuple[MetricShown, ...]
    tasks: tuple[TaskShown, ...]
    factors: dict[str, tuple[str, ...]]
    arms: tuple[Arm, ...]
    references: tuple[str, ...]
    tied: tuple[str, ...]
    best: str
    band: tuple[BandStep, ...]
    pairs: Pairs
    importance: ImportanceShown | None
    performance: PerformanceShown | None
    storage: StorageShown | None
    findings: tuple[str, ...]
    numbers: tuple[Numbers, ...]
    agreement: AgreementShown | None
    modulation: ModulationShown | None
    examples: ExamplesShown
    failed: tuple[str, ...]
    failures: tuple[FailureShown, ...]
    facts: tuple[Fact, ...]
    texts: tuple[LongText, ...]
