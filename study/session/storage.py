"""What a run takes to store and to run, for a gallery of N images and T tasks, against its accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.analysis.storage.break_even import break_evens, index_outweighs_network
from results.analysis.storage.efficient import efficient_set
from results.plain_text import visible
from results.report.wording import ABSENT, count, estimate, size
from study.errors import UserError
from study.html import html_table
from study.schedule.progress import read_progress
from study.session.target import Target
from study.storage.arms import StoredRun, stored_run
from study.storage.request import StorageRequest, formats_of
from study.terminal.display import duration, scaled
from study.terminal.plan_table import plan_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from results.analysis.storage.arms import StoredArm
    from study.storage.measured import Progress

MOST_BREAK_EVENS = 12
"""Break-even sizes printed; the others are in the frame."""


@dataclass(frozen=True)
class StorageView:
    """The storage analysis of a run. Notebooks and ``print`` show it as a table.

    Attributes:
        study: name of the study.
        trained_tasks: number of tasks on which accuracy was measured.
        request: what was asked.
        run: the arms in every format.
    """

    study: str
    trained_tasks: int
    request: StorageRequest
    run: StoredRun

    @property
    def tasks(self) -> int:
        """Number of tasks for which everything but the accuracy is given."""
        return self.request.tasks or self.trained_tasks

    @property
    def arms(self) -> tuple[StoredArm, ...]:
        """Every arm in every format."""
        return self.run.arms

    @property
    def table(self) -> pd.DataFrame:
        """One row per arm, format and gallery size, with ``efficient`` and the limit exceeded, if any."""
        from results.analysis.storage.arms import storage_table

        table = storage_table(self.arms, self.request.images)
        chosen = {images: self.efficient(images) for images in self.request.images}
        rows = [(arm, images) for arm in self.arms for images in self.request.images]
        table["efficient"] = [arm in chosen[images] for arm, images in rows]
        table["over_budget"] = [self.request.limits.exceeded_by(arm, images) or "" for arm, images in rows]
        return table

    def efficient(self, images: float) -> tuple[StoredArm, ...]:
        """Return the efficient arms for a gallery size, the smallest first."""
        return efficient_set(self.arms, images, self.request.limits)

    @property
    def break_evens(self) -> pd.DataFrame:
        """Gallery sizes at which one arm becomes smaller than another, among those efficient at any size asked for."""
        import pandas as pd

        pairs = [(pair.images, pair.below.name, pair.above.name) for pair in break_evens(self._ever_efficient())]
        return pd.DataFrame(pairs, columns=["images", "smaller_below", "smaller_above"])

    def _ever_efficient(self) -> list[StoredArm]:
        chosen = [arm for images in self.request.images for arm in self.efficient(images)]
        return [arm for arm in self.arms if arm in chosen]

    def rows(self) -> list[dict[str, str]]:
        """Return the display table: one dict per arm and format."""
        return [self._row(arm) for arm in self.arms]

    def _row(self, arm: StoredArm) -> dict[str, str]:
        accuracy, change = arm.accuracy, arm.change.student if arm.change else None
        totals = {
            f"at {_images(images)}": size(arm.total_bytes(images)) + (" *" if arm in self.efficient(images) else "")
            for images in self.request.images
        }
        return {
            "arm": self._name(arm),
            "accuracy": ABSENT if accuracy is None else estimate(accuracy.mean, accuracy.low, accuracy.high),
            **({"change": ABSENT if change is None else f"{change.mean:+.4f}"} if self._changes() else {}),
            "added": count(arm.added_parameters),
            "network": size(arm.network_bytes),
            "index/image": f"{count(arm.vectors_per_image)} x {arm.index_bytes_per_image // arm.vectors_per_image} B",
            **totals,
            "index > network": f"{count(math.ceil(index_outweighs_network(arm)))}",
            "multiply-adds": scaled(arm.multiply_adds.image),
            "query": scaled(arm.multiply_adds.query),
            **self._times(arm),
        }

    def _times(self, arm: StoredArm) -> dict[str, str]:
        if self.run.device is None:
            return {}
        seconds = (math.nan, math.nan) if arm.seconds is None else (arm.seconds.image, arm.seconds.query)
        image, query = (ABSENT if math.isnan(value) else f"{1e3 * value:.3g}" for value in seconds)
        return {"ms/image": image, "ms/query": query}

    def _changes(self) -> bool:
        return any(arm.change is not None for arm in self.arms)

    def _name(self, arm: StoredArm) -> str:
        forms = {other.form for other in self.arms}
        return arm.arm if len(forms) == 1 else arm.name

    def lines(self) -> tuple[str, ...]:
        """Return the lines below the table: how to read it, break-even sizes, the efficient sets, notes."""
        return (*self._reading(), *self._efficient_lines(), *self._break_even_lines(), *self.run.notes)

    def _reading(self) -> tuple[str, ...]:
        base, forms = self.arms[0].shared_parameters, ", ".join(dict.fromkeys(arm.form for arm in self.arms))
        other = self.tasks != self.trained_tasks
        columns = (
            f"{count(self.tasks)} tasks, stored at {forms} (network/index); added to {count(base)} parameters of one"
            " network; at N: bytes of network and index of N images, * efficient; index > network: from so many images;"
            " multiply-adds, ms: to embed one gallery image for all tasks, query: one image for one task"
        )
        accuracy = (
            "accuracy: triplet accuracy on test images, mean over tasks, with its 95 % Student t interval over seeds;"
            + (" change: against fp32, mean of the differences by seed;" if self._changes() else "")
            + f" of the {self.trained_tasks} tasks of the study"
            + (
                f", and not known for {count(self.tasks)}: bytes and multiply-adds are forecast for them"
                if other
                else ""
            )
        )
        return (columns, accuracy, self._search_line())

    def _search_line(self) -> str:
        arm = self.arms[0]
        usual = arm.multiply_adds.search
        others = {other.arm: other.multiply_adds.search for other in self.arms if other.multiply_adds.search != usual}
        named = "".join(f"; {name}: {scaled(work)}" for name, work in others.items())
        line = f"an exact search adds {scaled(usual)} multiply-adds per image of the gallery to a query{named}"
        if arm.seconds is None or self.run.device is None:
            return line
        costs = ", ".join(
            f"{_duration(arm.seconds.search * images)} at {_images(images)}" for images in self.request.images
        )
        return (
            f"{line}; scaled from a scan by {arm.arm}: {costs} ({self.run.device}, which also measured ms, with fp32"
            " numbers)"
        )

    def _efficient_lines(self) -> Iterable[str]:
        for images in self.request.images:
            chosen, limits = self.efficient(images), self.request.limits
            names = "; ".join(
                f"{self._name(arm)} ({arm.accuracy.mean:.3f}, {size(arm.total_bytes(images))},"
                f" {scaled(arm.multiply_adds.image)} multiply-adds)"
                for arm in chosen
                if arm.accuracy is not None
            )
            yield f"efficient at {_images(images)} images: {names or 'none'}"
            over = [f"{self._name(arm)} ({why})" for arm in self.arms if (why := limits.exceeded_by(arm, images))]
            if over:
                yield f"over the limits at {_images(images)} images: {'; '.join(over)}"

    def _break_even_lines(self) -> Iterable[str]:
        pairs = break_evens(self._ever_efficient())
        for pair in pairs[:MOST_BREAK_EVENS]:
            yield (
                f"break-even at {count(pair.images)} images: {self._name(pair.below)} takes fewer bytes below,"
                f" {self._name(pair.above)} above"
            )
        if len(pairs) > MOST_BREAK_EVENS:
            yield f"and {len(pairs) - MOST_BREAK_EVENS} more break-even sizes"
        if not pairs:
            yield "no break-even size: of the efficient arms, the smaller one is smaller at every gallery size"

    def figure(self) -> Figure:
        """Draw accuracy against total bytes for each gallery size and against multiply-adds, and bytes as it grows.

        Raises:
            UserError: no arm has a known accuracy yet.
        """
        from results.figures.storage import StoragePanels, storage_figure

        known = [arm for arm in self.arms if arm.accuracy is not None]
        if not known:
            raise UserError("there is nothing to draw yet: no confirm trial has been completed")
        chosen = {images: [arm.name for arm in self.efficient(images)] for images in self.request.images}
        names = {arm.name: self._name(arm) for arm in known}
        return storage_figure(StoragePanels(known, chosen, names, self._title(), self._note()))

    def _title(self) -> str:
        return f"What {self.study} takes to store and to run: {self.tasks} tasks"

    def _note(self) -> str:
        from results.report.captions.of_study import basis_of_storage
        from results.report.captions.record import caption_line

        counts = [arm.accuracy.n for arm in self.arms if arm.accuracy]
        basis = basis_of_storage(self.run.rule, self.run.seeds, self.trained_tasks, counts)
        forms = ", ".join(dict.fromkeys(arm.form for arm in self.arms))
        return f"Study {self.study} · {caption_line(basis)}\nMeasured after storing at {forms} (network/index)."

    def __str__(self) -> str:
        """Return the table and the lines below it."""
        return "\n".join((plan_text(self.rows()), *map(visible, self.lines())))

    def _repr_html_(self) -> str:
        return html_table(self.rows(), f"storage of {self.study}", self.lines())


def storage(target: Target, request: StorageRequest, shown: Progress | None = None) -> StorageView:
    """Measure what is missing, and return the storage analysis of a run that has begun.

    Args:
        target: the study and its run.
        request: what is asked.
        shown: told before each trial that is measured.

    Raises:
        UserError: the images are missing or not those of the run, or no arm can be stored as asked.
    """
    progress = read_progress(target.folder)
    trained = len(progress.plan.definition.data.tasks)
    run = stored_run(target.folder, progress, request.tasks or trained, formats_of(request), shown or _silent)
    if not run.arms:
        raise UserError("; ".join(("no arm can be stored as asked", *run.notes)))
    return StorageView(progress.plan.definition.name, trained, request, run)


def _silent(done: int, total: int, arm: str) -> None:
    """Show nothing."""


def _images(images: float) -> str:
    """Return a gallery size in short form: 1e4, 1e6, or 25,000."""
    whole = str(round(images))
    zeros = len(whole) - 1
    return f"1e{zeros}" if zeros >= 4 and whole == f"1{'0' * zeros}" else count(images)


def _duration(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.2g} s"
