"""What the page shows that is not in the tables: handed in by whoever knows the run folder."""

from __future__ import annotations

from dataclasses import dataclass

from results.page.model import Fact, LongText


@dataclass(frozen=True)
class PageOrigin:
    """Facts that are not in the tables.

    Attributes:
        description: the one-sentence description of the study.
        notes: remarks on the trials, one sentence each.
        facts: lines of the provenance, shown before those that follow from the tables.
        texts: long texts of the provenance.
    """

    description: str = ""
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    texts: tuple[LongText, ...] = ()
