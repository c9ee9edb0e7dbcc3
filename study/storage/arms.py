"""The arms of a run in every format asked for: forecasts, measured accuracy and seconds, and what was left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from results.analysis.chance import mean_chance
from results.analysis.confirmed import confirmed_results, seed_values
from results.analysis.selection import rule_of
from results.analysis.storage.arms import StoredArm, Work, estimates
from results.tables.metrics import HEADLINE_METRICS
from study.collect.collect import build_results
from study.layout import RunFolder
from study.plan.plan import PlannedArm
from study.run_folder.weights import trials_with_weights
from study.schedule.progress import RunProgress, TrialProgress
from study.storage.measured import MeasuredRun, MeasuredTrial, Progress, format_key, measure_run, time_run

if TYPE_CHECKING:
    from trainables.storage.built import Forecast
    from trainables.storage.stored import Format


@dataclass(frozen=True)
class StoredRun:
    """What a run takes to store.

    Attributes:
        arms: Every arm in every format that exists for it, in the order of the plan.
        notes: What was left out and why, and what was checked, one line each.
        device: On which seconds were measured, and how many threads; None if none were.
        rule: The statement of the selection rule; empty without confirm trials.
        seeds: Train seeds of the confirm trials behind accuracy, in order.
    """

    arms: tuple[StoredArm, ...]
    notes: tuple[str, ...]
    device: str | None
    rule: str
    seeds: tuple[int, ...]


def stored_run(
    folder: RunFolder, progress: RunProgress, tasks: int, formats: Sequence[Format], shown: Progress
) -> StoredRun:
    """Measure what is missing and return the arms of a run for a number of tasks.

    Raises:
        UserError: the images are missing, or not those of the run.
    """
    from trainables.storage.forecast import forecast

    confirmed, at_fp32, rule, chance = _confirmed(folder, progress)
    there = trials_with_weights(folder, (trial.trial.trial_id for trial in confirmed))
    kept = [trial for trial in confirmed if trial.trial.trial_id in there]
    record = measure_run(folder, kept, formats, shown)
    time_run(folder, kept, record, shown)
    arms: list[StoredArm] = []
    notes = list(_without_weights(confirmed, kept))
    for planned in progress.plan.arms:
        trials = [trial for trial in kept if trial.arm.arm.arm_id == planned.arm.arm_id]
        try:
            cost = forecast(planned.config, tasks)
        except ValueError as error:
            notes.append(f"left out: {planned.arm.name} does not exist for {tasks} tasks: {error}")
            continue
        known = _Measured(trials, record, at_fp32.get(planned.arm.arm_id, {}))
        arms += [_stored_arm(planned, cost, form, known) for form in formats if form.network in cost.network_bytes]
    return StoredRun(
        tuple(arms),
        (
            *notes,
            *_unavailable(arms, progress, formats),
            *_no_better_than_chance(arms, chance),
            *_not_finite(kept, record, formats),
            *_checked(kept, record, formats),
        ),
        _device(kept, record),
        rule,
        tuple(sorted({trial.trial.config.train_seed for trial in confirmed})),
    )


@dataclass(frozen=True)
class _Measured:
    """The confirm trials of one arm with weights, what was measured of them, and their accuracy in fp32 by seed."""

    trials: Sequence[TrialProgress]
    record: MeasuredRun
    at_fp32: Mapping[int, float]

    def accuracy(self, form: Format) -> dict[int, float]:
        """Return the mean accuracy over tasks by seed; trials without finite embeddings are left out."""
        found = {}
        for trial in self.trials:
            by_task = self._of(trial, form)
            if by_task:
                found[trial.trial.config.train_seed] = sum(by_task.values()) / len(by_task)
        return found

    def _of(self, trial: TrialProgress, form: Format) -> dict[str, float]:
        measured = self.record.of(trial).formats.get(format_key(form))
        return {} if measured is None else measured.accuracy

    def seconds(self, tasks: int) -> Work | None:
        """Return the measured seconds; those of a gallery image are of the tasks that were trained, NaN for others."""
        known = (self.record.of(trial).seconds for trial in self.trials)
        found = next((seconds for seconds in known if seconds is not None), None)
        if found is None:
            return None
        trained = len(self.trials[0].trial.config.data.tasks)
        return Work(found.image if tasks == trained else math.nan, found.query, found.search)


def _stored_arm(planned: PlannedArm, cost: Forecast, form: Format, known: _Measured) -> StoredArm:
    plain = (form.network, form.index) == ("fp32", "fp32")
    by_seed = dict(known.at_fp32) if plain else known.accuracy(form)
    accuracy, change = estimates(by_seed, None if plain else known.at_fp32)
    return StoredArm(
        arm=planned.arm.name,
        network=form.network,
        index=form.index,
        tasks=cost.tasks,
        shared_parameters=cost.shared_parameters,
        added_parameters=cost.added_parameters,
        network_bytes=cost.network_bytes[form.network],
        vectors_per_image=cost.vectors_per_image,
        index_bytes_per_image=cost.vectors_per_image * cost.vector_bytes[form.index],
        multiply_adds=Work(cost.image_multiply_adds, cost.query_multiply_adds, cost.search_multiply_adds),
        seconds=known.seconds(cost.tasks),
        accuracy=accuracy,
        change=change,
    )


class _Confirmed(NamedTuple):
    """The trials behind the reported numbers, each arm's accuracy in fp32 by seed, the rule's statement, and chance."""

    trials: list[TrialProgress]
    at_fp32: dict[str, dict[int, float]]
    rule: str
    chance: float | None


def _confirmed(folder: RunFolder, progress: RunProgress) -> _Confirmed:
    tables = build_results(folder, progress)
    if tables["trials"].empty:
        return _Confirmed([], {}, "", None)
    results = confirmed_results(tables["trials"], tables["task_metrics"], rule_of(tables["trials"]))
    reported, by_seed = set(results.trials["trial_id"]), results.by_seed()
    arms = {arm.arm.arm_id: seed_values(by_seed, arm.arm.arm_id) for arm in progress.plan.arms}
    trials = [trial for trial in progress.trials if trial.trial.trial_id in reported]
    return _Confirmed(trials, arms, results.rule.statement, mean_chance(results, HEADLINE_METRICS[0]))


def _no_better_than_chance(arms: Sequence[StoredArm], chance: float | None) -> Iterator[str]:
    """Name the arms that an efficient set may list because they are small, although they know nothing."""
    useless = [arm for arm in arms if chance is not None and arm.accuracy is not None and arm.accuracy.mean <= chance]
    if useless:
        names = ", ".join(f"{arm.name} {arm.accuracy.mean:.3f}" for arm in useless if arm.accuracy)
        yield f"no better than chance ({chance:.3f}), efficient or not: {names}"


def _without_weights(confirmed: Sequence[TrialProgress], kept: Sequence[TrialProgress]) -> Iterator[str]:
    missing = len(confirmed) - len(kept)
    if missing:
        yield f"{missing} of {len(confirmed)} confirm trials have no kept weights here: not measured in other formats"


def _unavailable(arms: Sequence[StoredArm], progress: RunProgress, formats: Sequence[Format]) -> Iterator[str]:
    """Name the arms that some format does not exist for."""
    for form in formats:
        there = {arm.arm for arm in arms if (arm.network, arm.index) == (form.network, form.index)}
        known = {arm.arm for arm in arms} or {arm.arm.name for arm in progress.plan.arms}
        if form.network == "1bit" and (lacking := sorted(known - there)):
            yield f"1bit: not for {', '.join(lacking)}, whose modulation does not act as one of two values"


def _not_finite(kept: Sequence[TrialProgress], record: MeasuredRun, formats: Sequence[Format]) -> Iterator[str]:
    """Name the arms whose embeddings a format broke, such as numbers beyond the range of fp16."""
    for form in formats:
        key = format_key(form)
        broken = [t for t in kept if (found := record.of(t).formats.get(key)) is not None and not found.accuracy]
        if broken:
            names = ", ".join(dict.fromkeys(trial.arm.arm.name for trial in broken))
            yield f"{key}: {len(broken)} trials of {names} give embeddings that are not finite, and count for nothing"


def _checked(kept: Sequence[TrialProgress], record: MeasuredRun, formats: Sequence[Format]) -> Iterator[str]:
    """Say how many files were written and have exactly the forecast bytes; others stop the measurement."""
    for form in formats:
        found = [record.of(trial).formats.get(format_key(form)) for trial in kept]
        written = [measured for measured in found if measured is not None]
        if written:
            names = max(measured.file_bytes - measured.network_bytes for measured in written)
            yield (
                f"checked at {form.network}/{form.index}: {len(written)} networks and {len(written)} indexes of"
                f" {written[0].images} images were written and hold exactly the forecast bytes (a file of a network: at"
                f" most {names:,} bytes more, for names and shapes); accuracy is that of what was read back"
            )


def _device(kept: Sequence[TrialProgress], record: MeasuredRun) -> str | None:
    known: list[MeasuredTrial] = [record.of(trial) for trial in kept]
    found = next((trial.seconds for trial in known if trial.seconds is not None), None)
    if found is None:
        return None
    return found.device if found.device != "cpu" else f"{found.threads} CPU thread{'s' * (found.threads > 1)}"
