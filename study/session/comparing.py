"""Compares two arms of a run, and several runs on the tasks they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.definition.dotted import dotted
from study.errors import UserError
from study.session.target import Target

if TYPE_CHECKING:
    import pandas as pd

    from results.analysis.comparison.studies import StudiesComparison
    from results.analysis.inference.comparison import Comparison

_OF_NO_INTEREST = ("name", "description", "tracking", "resources")
"""Sections of a definition that change no result."""


def arms_compared(tables: dict[str, pd.DataFrame], ours: str, theirs: str) -> Comparison:
    """Compare two arms of a study on test images, paired by seed.

    Raises:
        UserError: an arm is unknown or has no results, both are the same, or nothing pairs them.
    """
    from results.analysis.inference.comparison import compare_arms
    from results.analysis.reported import Results
    from results.report.answer import without_result

    if ours == theirs:
        raise UserError(f"{ours} and {theirs}: an arm cannot be compared with itself; name two arms")
    results = Results.of(tables)
    for missing in results.missing:
        if missing.arm in (ours, theirs):
            raise UserError(f"{without_result(missing)}; arms with results: {', '.join(results.scores.arms) or 'none'}")
    try:
        return compare_arms(results.verdicts, ours, theirs)
    except ValueError as error:
        raise UserError(str(error)) from None


def studies_compared(studies: Sequence[tuple[Target, dict[str, pd.DataFrame]]]) -> StudiesComparison:
    """Compare studies on the tasks they share; studies of equal name are told apart by their folders.

    Raises:
        UserError: fewer than two studies are given, one is given twice or has no results, or they share no task.
    """
    from results.analysis.comparison.studies import ComparedStudy, compare_studies
    from results.analysis.reported import Results

    if len(studies) < 2:
        raise UserError("one study was named; name two or more, or compare two of its arms: --arms A B")
    folders = [target.folder.shown for target, _ in studies]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UserError(f"{folder}: this study was named twice")
    names = [target.definition.name for target, _ in studies]
    compared = [
        ComparedStudy(
            name if names.count(name) == 1 else f"{name} ({target.folder.shown})",
            Results.of(tables),
            dotted(target.definition.to_dict(), without=_OF_NO_INTEREST),
        )
        for name, (target, tables) in zip(names, studies, strict=True)
    ]
    try:
        return compare_studies(compared)
    except ValueError as error:
        raise UserError(str(error)) from None
