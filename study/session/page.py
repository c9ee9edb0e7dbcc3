"""What a report shows that is not in the tables: starts of the run, the weights of its confirm trials, and images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from results.analysis.figure_data.networks import (
    Floats,
    FoundExamples,
    FoundImage,
    FoundQuery,
    Networks,
    TrialVectors,
)
from results.page.model import Fact, LongText
from results.page.origin import PageOrigin
from study.layout import RunFolder, dataset_cache
from study.run_folder.provenance import Start, read_starts
from study.run_folder.weights import trials_with_weights, weights_at_hand
from study.schedule.progress import RunProgress, TrialProgress
from study.session.target import Target

if TYPE_CHECKING:
    import pandas as pd

    from trainables.data import Dataset

_DRAWN = "generated"
"""The source whose images anyone may be shown: this project draws them."""

_GOOD_TO_BAD = 2

_MOST_FETCHED_BYTES = 2_000_000_000
"""For the vectors of a study in a store, whose weights are fetched whole; a folder's are read in part."""


@dataclass(frozen=True)
class PageRequest:
    """What to put on the page.

    Attributes:
        commands: that reproduce the results.
        data_facts: findings about the images, one sentence each.
        notes: remarks on the trials, one sentence each.
    """

    commands: tuple[str, ...] = ()
    data_facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def page_origin(target: Target, progress: RunProgress, request: PageRequest) -> PageOrigin:
    """Collect what the page shows besides the results; what is missing here is left out, and the page says so."""
    return PageOrigin(
        target.definition.description,
        request.notes,
        tuple(_facts(target.folder, progress, request)),
        tuple(_texts(read_starts(target.folder))),
    )


def networks_of(target: Target, progress: RunProgress, summary: pd.DataFrame, *, images: bool | None) -> Networks:
    """Read what weights and images show, as far as they are here.

    Args:
        target: the study.
        progress: its trials.
        summary: the ``summary`` table, which tells a good arm from a bad one.
        images: whether test images may be shown; None allows only generated ones.
    """
    confirmed = _confirmed(target.folder, progress)
    dataset = _images_here(progress) if confirmed else None
    vectors, unread = _vectors(target.folder, confirmed)
    labels = None if dataset is None or not vectors else _label_associations(dataset)
    return Networks(vectors, labels, _examples(target, confirmed, dataset, summary, images), unread)


def _confirmed(folder: RunFolder, progress: RunProgress) -> list[TrialProgress]:
    """Return the completed confirm trials whose weights are here."""
    confirmed = [trial for trial in progress.trials if trial.trial.stage == "confirm" and trial.state == "completed"]
    kept = trials_with_weights(folder, (trial.trial.trial_id for trial in confirmed))
    return [trial for trial in confirmed if trial.trial.trial_id in kept]


def _images_here(progress: RunProgress) -> Dataset | None:
    from trainables.diagnostics.retrieval_examples import prepared_here

    return prepared_here(progress.plan.data_fingerprint, progress.plan.definition.data.tasks, dataset_cache())


def _vectors(folder: RunFolder, confirmed: Sequence[TrialProgress]) -> tuple[tuple[TrialVectors, ...], tuple[str, ...]]:
    """Return the vectors of the trials that have some, and a remark on each trial whose weights cannot be read."""
    modulated = [trial for trial in confirmed if trial.trial.config.modulation.points]
    if not modulated:
        return (), ()
    if folder.url and (size := sum(trial.arm.storage.bytes_fp32 for trial in modulated)) > _MOST_FETCHED_BYTES:
        why = f"more than the {_MOST_FETCHED_BYTES / 1e9:g} GB that a report fetches from a store"
        return (), (
            f"modulation vectors are left out: the weights of {len(modulated)} trials take {size:,} bytes, {why}",
        )
    from trainables.diagnostics.task_vectors import UnreadableWeightsError, task_vectors

    found, unread = [], []
    for trial in modulated:
        planned = trial.trial
        try:
            with weights_at_hand(folder, planned.trial_id) as weights:
                points = task_vectors(planned.config, weights)
        except UnreadableWeightsError as error:
            unread.append(f"{planned.arm.name}: modulation vectors of trial {planned.trial_id} are missing: {error}")
            continue
        if points:
            found.append(TrialVectors(planned.arm.arm_id, planned.config.train_seed, points))
    return tuple(found), tuple(unread)


def _label_associations(dataset: Dataset) -> Floats:
    from trainables.diagnostics.retrieval_examples import label_associations

    return label_associations(dataset)


def _examples(
    target: Target,
    confirmed: Sequence[TrialProgress],
    dataset: Dataset | None,
    summary: pd.DataFrame,
    images: bool | None,
) -> FoundExamples:
    """Return what a good and a bad arm retrieve for the same queries, where the images may be shown."""
    drawn = target.definition.data.source.kind == _DRAWN
    if images is False or (images is None and not drawn):
        how = target.command("report", "--images")
        return FoundExamples(note=f"Test images are not shown, because the page may be passed on. To show them: {how}")
    if dataset is None:
        return FoundExamples(note="The decoded images of the study are not on this machine.")
    first = {trial.trial.arm.arm_id: trial for trial in reversed(confirmed)}
    pair = _good_and_bad(summary[summary["arm_id"].isin(list(first))])
    if pair is None:
        return FoundExamples(note="There are not two arms with confirm results and weights yet.")
    return _retrieved(target.folder, dataset, (first[pair[0]], first[pair[1]]))


def _good_and_bad(summary: pd.DataFrame) -> tuple[str, str] | None:
    """Return the ids of the arms with the highest and the lowest mean; None with fewer than two arms."""
    known = summary[summary["triplet_accuracy_mean"].notna()]
    ranked = known.sort_values("triplet_accuracy_mean", ascending=False, kind="stable")["arm_id"]
    return None if len(ranked) < _GOOD_TO_BAD else (str(ranked.iloc[0]), str(ranked.iloc[-1]))


def _retrieved(folder: RunFolder, dataset: Dataset, trials: Sequence[TrialProgress]) -> FoundExamples:
    from trainables.diagnostics.retrieval_examples import retrieval_examples
    from trainables.diagnostics.task_vectors import UnreadableWeightsError

    try:
        with ExitStack() as held:
            weights = [held.enter_context(weights_at_hand(folder, trial.trial.trial_id)) for trial in trials]
            given = [(t.trial.trial_id, t.trial.config, path) for t, path in zip(trials, weights, strict=True)]
            found = retrieval_examples(dataset, given)
    except UnreadableWeightsError as error:
        return FoundExamples(note=f"There are no examples: {error}")
    names = [trial.trial.arm.name for trial in trials]
    queries = tuple(
        FoundQuery(
            own[0].task,
            own[0].label,
            own[0].image,
            {
                name: tuple(FoundImage(one.image, one.right) for one in query.neighbours)
                for name, query in zip(names, own, strict=True)
            },
        )
        for own in zip(*found.queries, strict=True)
    )
    seeds = ", ".join(str(trial.trial.config.train_seed) for trial in trials)
    note = (
        f"of the arms whose weights are kept, highest mean: {names[0]}, lowest mean: {names[1]}; train seeds {seeds};"
        f" queries drawn with data_seed {trials[0].trial.config.data_seed}; gallery of {found.gallery:,} images"
    )
    return FoundExamples(queries, found.images, note)


def _facts(folder: RunFolder, progress: RunProgress, request: PageRequest) -> Iterator[Fact]:
    starts = read_starts(folder)
    typed = list(dict.fromkeys(start.command for start in starts if start.command))
    if typed:
        yield Fact("Run as", tuple(typed))
    yield Fact("To reproduce", request.commands)
    if starts:
        yield Fact("Code", tuple(dict.fromkeys(map(_code, starts))))
        yield Fact("Packages", tuple(dict.fromkeys(f"{len(s.packages)} packages, lock {s.lock}" for s in starts)))
        yield Fact("Driver", tuple(dict.fromkeys(map(_machine, starts))))
    if workers := _workers(progress):
        yield Fact("Workers", workers)
    if request.data_facts:
        yield Fact("Images", request.data_facts)


def _code(start: Start) -> str:
    if start.commit is None:
        return f"modulation-study {start.version}, not from a git checkout"
    files = start.diff.count("\ndiff --git ") + start.diff.startswith("diff --git ")
    changed = f"{files} changed and {start.untracked} new files" if files or start.untracked else "no local changes"
    return f"modulation-study {start.version}, commit {start.commit}, {changed}"


def _machine(start: Start) -> str:
    return f"{start.host}: {', '.join(f'{part} {named}' for part, named in start.machine.items())}"


def _workers(progress: RunProgress) -> tuple[str, ...]:
    """Return the machines of the trials, with their GPUs."""
    found = dict[str, int]()
    for trial in progress.trials:
        if trial.history is not None and trial.history.host:
            gpu = trial.history.software.get("gpu")
            name = f"{trial.history.host} ({gpu})" if gpu else trial.history.host
            found[name] = found.get(name, 0) + 1
    return tuple(f"{name}: {number} trials" for name, number in sorted(found.items()))


def _texts(starts: Sequence[Start]) -> Iterator[LongText]:
    """Yield the packages of the last start, and every distinct diff."""
    if starts:
        last = starts[-1]
        yield LongText("Packages of the last run", "\n".join(f"{n}=={v}" for n, v in last.packages.items()))
    for diff, start in {start.diff: start for start in starts if start.diff}.items():
        when = datetime.fromtimestamp(start.time, UTC)
        yield LongText(f"Local changes to the code on {when:%Y-%m-%d %H:%M} UTC", diff)
