"""The storage of arms at every known precision, in words."""

from __future__ import annotations

import math

from results.analysis.reported import Results
from results.analysis.storage.arms import StoredArm
from results.analysis.storage.break_even import break_evens, index_outweighs_network
from results.analysis.storage.of_study import GALLERIES
from results.report.markdown import bullets, escape, table
from results.report.wording import ABSENT, count, estimate, size

_MOST_SENTENCES = 6


def break_even_sentences(results: Results) -> tuple[str, ...]:
    """Return where arms that are efficient at some size take equally many bytes, the smallest galleries first."""
    chosen = {arm.name: arm for found in results.efficient.values() for arm in found}
    pairs = break_evens(chosen.values())
    said = [
        f"{pair.below.name} takes fewer bytes up to {count(pair.images)} images, {pair.above.name} from there on"
        for pair in pairs[:_MOST_SENTENCES]
    ]
    more = len(pairs) - len(said)
    return (*said, *((f"and {more} more such sizes",) if more else ()))


def measured_note(results: Results) -> str:
    """Say at which precisions accuracy was measured again, or how to do so."""
    forms = sorted({arm.form for arm in results.stored if arm.change is not None})
    how = "modstudy storage RUN --precision fp32,fp16,int8,1bit"
    if not forms:
        return f"Accuracy is that of fp32; other precisions were not measured ({how})."
    seeds = max(arm.accuracy.n for arm in results.stored if arm.change is not None and arm.accuracy)
    return f"Accuracy at {', '.join(forms)} was measured again on what was stored and read back, up to {seeds} seeds."


def _milliseconds(arm: StoredArm) -> list[str]:
    if arm.seconds is None:
        return [ABSENT, ABSENT]
    return [f"{1e3 * seconds:.3g}" for seconds in (arm.seconds.image, arm.seconds.query)]


def storage_at_precisions(results: Results) -> str:
    """Return a table of arms and formats, and the break-even sizes; empty without storage figures."""
    if not results.stored:
        return ""
    timed = any(arm.seconds is not None for arm in results.stored)
    header = ["arm", "precision", "accuracy", "change", "network", "index per image"]
    header += [*(f"at {images:,.0f} images" for images in GALLERIES), "index outweighs network from"]
    header += ["multiply-adds of an image", "of a query", *(["ms an image", "ms a query"] if timed else [])]
    chosen = {images: {arm.name for arm in found} for images, found in results.efficient.items()}
    rows = [
        [
            arm.arm,
            arm.form,
            ABSENT if arm.accuracy is None else estimate(arm.accuracy.mean, arm.accuracy.low, arm.accuracy.high),
            ABSENT if arm.change is None else f"{arm.change.student.mean:+.4f}",
            size(arm.network_bytes),
            f"{arm.vectors_per_image} x {size(arm.index_bytes_per_image / arm.vectors_per_image)}",
            *(size(arm.total_bytes(images)) + (" *" if arm.name in chosen[images] else "") for images in GALLERIES),
            f"{count(math.ceil(index_outweighs_network(arm)))} images",
            *map(count, (arm.multiply_adds.image, arm.multiply_adds.query)),
            *(_milliseconds(arm) if timed else []),
        ]
        for arm in results.stored
    ]
    note = (
        f"{measured_note(results)} Bytes: network and index of so many images for all tasks of the study. "
        "*: no arm is as good in accuracy, bytes and multiply-adds, and better in one. Work: to embed one gallery image"
        " for all tasks, and one query for one task"
        + (", seconds measured with fp32 numbers, all arms in turn." if timed else "; seconds were not measured.")
    )
    parts = [table(header, rows), escape(note), bullets(break_even_sentences(results))]
    return "\n\n".join(filter(None, parts))
