"""Measuring the confirm trials of a run after storing them, and the record of it in one JSON file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from study.errors import UserError
from study.layout import RunFolder, dataset_cache
from study.run_folder.weights import weights_at_hand
from study.schedule.progress import TrialProgress
from trainables.foundation.files import write_text_atomically

if TYPE_CHECKING:
    from trainables.storage.stored import Format, StoredResult, StoredTrial

_LOG = logging.getLogger(__name__)

METRIC = "triplet_accuracy"

Progress = Callable[[int, int, str], None]
"""Told how many trials have been measured, of how many, and the arm of the next."""


class MeasuredFormat(BaseModel):
    """What a trial yielded in one format: bytes of the tensors in the files written, and accuracy by task."""

    network_bytes: int
    file_bytes: int
    index_bytes: int
    images: int
    accuracy: dict[str, float]


class MeasuredSeconds(BaseModel):
    """See ``trainables.storage.seconds.Seconds``; ``in_turn``: with the other arms, round by round."""

    image: float
    query: float
    search: float
    device: str
    threads: int
    in_turn: bool = False


class MeasuredTrial(BaseModel):
    """What is known of one trial; formats by ``network/index``."""

    formats: dict[str, MeasuredFormat] = {}
    seconds: MeasuredSeconds | None = None


class MeasuredRun(BaseModel):
    """What is known of the trials of a run, by trial id."""

    trials: dict[str, MeasuredTrial] = {}

    def of(self, trial: TrialProgress) -> MeasuredTrial:
        """Return what is known of a trial."""
        return self.trials.get(trial.trial.trial_id, MeasuredTrial())


def read_measured(folder: RunFolder) -> MeasuredRun:
    """Return the record of a run; a damaged one is named and measured anew."""
    if not folder.measured_storage.exists():
        return MeasuredRun()
    try:
        return MeasuredRun.model_validate_json(folder.measured_storage.read_bytes())
    except ValidationError:
        _LOG.warning("%s: damaged; everything is measured again", folder.measured_storage)
        return MeasuredRun()


def format_key(form: Format) -> str:
    """Return the key of a format in the record."""
    return f"{form.network}/{form.index}"


def measure_run(
    folder: RunFolder, trials: Sequence[TrialProgress], formats: Sequence[Format], progress: Progress
) -> MeasuredRun:
    """Measure what is missing of the trials with kept weights, each in the formats that exist for its arm.

    Args:
        folder: of the run.
        trials: completed confirm trials with weights.
        formats: to measure.
        progress: told before each trial.

    Raises:
        UserError: the images are missing, or not those of the run.
    """
    record = read_measured(folder)
    first = _first_of_arms(trials)
    existing = {arm_id: _existing(trial, formats) for arm_id, trial in first.items()}
    work = []
    for trial in trials:
        arm_id, known = trial.arm.arm.arm_id, record.of(trial)
        missing = [form for form in existing[arm_id] if format_key(form) not in known.formats]
        if missing:
            work.append((trial, missing))
    for done, (trial, missing) in enumerate(work):
        progress(done, len(work), trial.arm.arm.name)
        _measure(record, folder, trial, missing)
        _write(record, folder)
    return record


def time_run(folder: RunFolder, trials: Sequence[TrialProgress], record: MeasuredRun, progress: Progress) -> None:
    """Measure the seconds of every arm with its first trial, all arms in turn, if those of one are missing.

    Args:
        folder: of the run.
        trials: completed confirm trials with weights.
        record: what is known; changed in place and written.
        progress: told once before.

    Raises:
        UserError: weights are damaged.
    """
    from trainables.storage.together import seconds_of

    first = list(_first_of_arms(trials).values())
    known = [record.of(trial).seconds for trial in first]
    if all(seconds is not None and seconds.in_turn for seconds in known):
        return
    progress(0, 1, f"seconds of {len(first)} arms, in turn")
    try:
        with ExitStack() as held:
            found = seconds_of([held.enter_context(_stored(folder, trial)) for trial in first])
    except ValueError as error:
        raise UserError(f"{folder.shown}: seconds cannot be measured: {error}") from error
    for trial, seconds in zip(first, found, strict=True):
        measured = MeasuredSeconds(**asdict(seconds), in_turn=True)
        record.trials.setdefault(trial.trial.trial_id, MeasuredTrial()).seconds = measured
    _write(record, folder)


def _first_of_arms(trials: Sequence[TrialProgress]) -> dict[str, TrialProgress]:
    return {trial.arm.arm.arm_id: trial for trial in reversed(trials)}


def _write(record: MeasuredRun, folder: RunFolder) -> None:
    write_text_atomically(folder.measured_storage, record.model_dump_json(indent=1) + "\n")


def _existing(trial: TrialProgress, formats: Iterable[Format]) -> list[Format]:
    from trainables.networks.multi_task import assemble_model
    from trainables.storage.built import network_bytes

    known = network_bytes(assemble_model(trial.trial.config))
    return [form for form in formats if form.network in known]


@contextmanager
def _stored(folder: RunFolder, trial: TrialProgress) -> Iterator[StoredTrial]:
    from trainables.storage.stored import StoredTrial

    planned = trial.trial
    with weights_at_hand(folder, planned.trial_id) as weights:
        yield StoredTrial(planned.trial_id, planned.config, planned.data_fingerprint, weights, dataset_cache())


def _measure(record: MeasuredRun, folder: RunFolder, trial: TrialProgress, formats: Sequence[Format]) -> None:
    from trainables.storage.stored import measure_stored

    try:
        with _stored(folder, trial) as stored:
            results = measure_stored(stored, formats)
    except ValueError as error:
        raise UserError(f"{folder.shown}: arm {trial.arm.arm.name} cannot be measured: {error}") from error
    known = record.trials.setdefault(trial.trial.trial_id, MeasuredTrial())
    known.formats |= {format_key(result.form): _kept(result) for result in results}


def _kept(result: StoredResult) -> MeasuredFormat:
    rows = (row for row in result.metrics if (row.metric, row.average) == (METRIC, "query"))
    return MeasuredFormat(
        network_bytes=result.network_bytes,
        file_bytes=result.file_bytes,
        index_bytes=result.index_bytes,
        images=result.images,
        accuracy={row.task: row.value for row in rows},
    )
