"""What a reader must know before believing a table: tasks that say nothing, few seeds, failures."""

from __future__ import annotations

import pandas as pd

from results.analysis.answer.answer import METRIC
from results.analysis.figure_data.ending import FLAT
from results.analysis.reported import Results
from results.report.answer import counted, named, with_results
from results.report.failure_section import failed_arms
from results.report.wording import share
from results.tables.metrics import metric_label

_FEW_SEEDS = 3


def cautions(results: Results, causes: str = "details.md") -> list[str]:
    """Return one sentence of plain text per caution; ``causes``: where the reader finds those of failures."""
    edges = at_the_edge(results.summary)
    ended = [] if all(arm.flat for arm in results.endings) else [end_of_training(results)]
    return [*_arms(results), *_tasks(results), *_seeds(results), *ended, *edges, *_failures(results, causes)]


def end_of_training(results: Results) -> str:
    """Return whether training was long enough, by the validation curves, in a sentence; empty without curves."""
    known = [(arm, arm.rise) for arm in results.endings if arm.rise is not None]
    metric = metric_label(results.confirmed.rule.metric)
    if not known:
        measured = (
            "validation images were measured at the end of training only, so nothing shows whether it was long enough"
        )
        return f"{measured}; a lower evaluation.validate_every would" if results.endings else ""
    rising = [(arm, rise) for arm, rise in known if not arm.flat]
    spans = {f"from epoch {arm.since} to {arm.until}" for arm, _ in known}
    span = spans.pop() if len(spans) == 1 else "at the end"
    if not rising:
        return f"validation {metric} is flat: {span} no arm rose by more than {FLAT:g}"
    most, rise = max(rising, key=lambda each: each[1])
    which = f"{len(rising)} of {counted(len(known), 'arm')}"
    return (
        f"validation {metric} is not flat yet: {span}, {which} rose by more than {FLAT:g}, {most.arm} most"
        f" (by {rise:.3f}), so how fast an arm learns is part of the comparison"
    )


def at_the_edge(summary: pd.DataFrame) -> list[str]:
    """Return a sentence on the arms whose selected values lie at the edge of what they tried, if there are any.

    Arms of which the same is to be said are named together.
    """
    known = summary[summary["at_edge"].notna()]
    if known.empty:
        return []
    alike = known.groupby("at_edge", sort=False)["arm"]
    found = [f"{named(list(arms))} ({str(note).replace('_', ' ')})" for note, arms in alike]
    whole = f"{len(known)} of {counted(len(summary), 'arm')} {'has' if len(known) == 1 else 'have'} selected values"
    return [f"{whole} at the edge of what was tried, so better ones may lie beyond: {'; '.join(found)}"]


def _arms(results: Results) -> list[str]:
    """Return how many arms have results, the failed arms one by one, and the unfinished ones together."""
    if not results.missing:
        return []
    unfinished = [arm.arm for arm in results.missing if arm.stage is None]
    lines = [f"{with_results(results)}; what the report says is about these", *failed_arms(results)]
    return [*lines, f"not finished: {named(unfinished)}"] if unfinished else lines


def _tasks(results: Results) -> list[str]:
    odd = {kind: [found.task for found in results.task_remarks if found.kind == kind] for kind in _MEANING}
    lines = [f"{kind}: on {named(tasks)} {_MEANING[kind][len(tasks) > 1]}" for kind, tasks in odd.items() if tasks]
    others = [task for task in results.scores.tasks if not any(task in tasks for tasks in odd.values())]
    return [*lines, _without(results, others)] if lines and others else lines


_MEANING = {
    "near chance": (
        "no arm can be told from chance, so it says nothing about the arms and pulls every mean down",
        "no arm can be told from chance, so they say nothing about the arms and pull every mean down",
    ),
    "trivial": (
        "every arm reaches nearly 1, so it lifts every mean and leaves nothing to gain",
        "every arm reaches nearly 1, so they lift every mean and leave nothing to gain",
    ),
}
"""What a remark means, for one task and for several."""


def _without(results: Results, others: list[str]) -> str:
    """Return the means over the other tasks, of the arms that the answer speaks of."""
    answer = results.answer
    arms = [s.arm for s in (answer.chosen, answer.shared, answer.separate) if s] if answer else []
    kept = results.tasks[results.tasks["task"].isin(others)]
    means = kept.groupby("arm", sort=False)["mean"].mean()
    found = ", ".join(f"{arm} {share(float(means[arm]))}" for arm in arms if arm in means.index)
    which = "this task" if len(results.task_remarks) == 1 else "these tasks"
    return f"mean triplet accuracy without {which} ({counted(len(others), 'task')} left): {found}"


def _seeds(results: Results) -> list[str]:
    counts = results.summary.loc[results.summary[f"{METRIC}_mean"].notna(), "n_seeds"]
    if counts.empty:
        return []
    lines = []
    if counts.max() < _FEW_SEEDS:
        lines.append(f"{counted(int(counts.max()), 'seed')} per arm: intervals are very wide or absent")
    if counts.min() < counts.max():
        lines.append(f"arms have {counts.min()} to {counts.max()} seeds each; a difference uses the common ones")
    return lines


def _failures(results: Results, causes: str) -> list[str]:
    failures = results.failures
    if failures.empty:
        return []
    trials = counted(failures["trial_id"].nunique(), "trial")
    return [f"{counted(len(failures), 'attempt')} of {trials} failed; causes are in {causes}"]
