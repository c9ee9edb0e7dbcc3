"""What is known of a run's storage beside its tables: forecasts, and what ``modstudy storage`` measured.

For the report of the run; nothing is measured here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.analysis.storage.arms import Work
from results.analysis.storage.of_study import ArmForecast, MeasuredStorage, StorageKnown
from study.schedule.progress import RunProgress
from study.storage.measured import MeasuredRun, read_measured

if TYPE_CHECKING:
    from study.layout import RunFolder
    from trainables.storage.built import Forecast

MOST_FORECAST = 200
"""Arms; each takes some hundredths of a second."""


def storage_known(folder: RunFolder, progress: RunProgress) -> StorageKnown:
    """Return the measurements of a run's trials, and the forecasts of its arms unless there are very many."""
    from trainables.storage.forecast import forecast

    record, arms = read_measured(folder), progress.plan.arms
    seconds = _seconds(record, progress)
    few = arms if len(arms) <= MOST_FORECAST else ()
    forecasts = {arm.arm.arm_id: _forecast(forecast(arm.config), seconds.get(arm.arm.arm_id)) for arm in few}
    return StorageKnown(tuple(_measured(record)), forecasts)


def _measured(record: MeasuredRun) -> list[MeasuredStorage]:
    measured = []
    for trial_id, trial in record.trials.items():
        for key, found in trial.formats.items():
            network, index = key.split("/")
            per_image = found.index_bytes // found.images
            measured.append(MeasuredStorage(trial_id, network, index, found.network_bytes, per_image, found.accuracy))
    return measured


def _seconds(record: MeasuredRun, progress: RunProgress) -> dict[str, Work]:
    """Return the measured seconds by arm id."""
    found = {}
    for trial in progress.trials:
        seconds = record.of(trial).seconds
        if seconds is not None:
            found[trial.arm.arm.arm_id] = Work(seconds.image, seconds.query, seconds.search)
    return found


def _forecast(found: Forecast, seconds: Work | None) -> ArmForecast:
    work = Work(found.image_multiply_adds, found.query_multiply_adds, found.search_multiply_adds)
    return ArmForecast(
        {str(precision): size for precision, size in found.network_bytes.items()},
        {str(precision): found.vectors_per_image * size for precision, size in found.vector_bytes.items()},
        work,
        seconds,
    )
