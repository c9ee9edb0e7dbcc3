"""What arms take to store at every known precision."""

from __future__ import annotations

from results.analysis.reported import Results
from results.analysis.statistics import Interval
from results.analysis.storage.arms import StoredArm
from results.analysis.storage.break_even import index_outweighs_network
from results.analysis.storage.of_study import GALLERIES
from results.page.analyses import StorageShown, StoredShown
from results.page.model import Estimate
from results.page.parts.arms import number
from results.report.analyses.storage import break_even_sentences, measured_note


def storage_shown(results: Results) -> StorageShown | None:
    """Return the arms in every format; None where the tables do not say what they take."""
    stored = results.stored
    if not stored:
        return None
    ids = dict(zip(results.summary["arm"].map(str), results.summary["arm_id"].map(str), strict=True))
    shown = []
    for arm in stored:
        efficient = tuple(images for images, found in results.efficient.items() if any(arm is one for one in found))
        shown.append(_shown(arm, ids[arm.arm], efficient))
    return StorageShown(GALLERIES, tuple(shown), break_even_sentences(results), measured_note(results))


def _shown(arm: StoredArm, arm_id: str, efficient: tuple[float, ...]) -> StoredShown:
    return StoredShown(
        arm_id,
        arm.form,
        _estimate(arm.accuracy),
        _estimate(arm.change.student if arm.change else None),
        arm.network_bytes,
        arm.index_bytes_per_image,
        arm.vectors_per_image,
        arm.shared_parameters,
        arm.added_parameters,
        arm.multiply_adds.image,
        number(arm.multiply_adds.query),
        arm.seconds.image if arm.seconds else None,
        arm.seconds.query if arm.seconds else None,
        index_outweighs_network(arm),
        efficient,
    )


def _estimate(interval: Interval | None) -> Estimate | None:
    return None if interval is None else Estimate(interval.mean, interval.low, interval.high, interval.n)
