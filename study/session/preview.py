"""Previews what a study would train and store and how long it would take, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from results.plain_text import visible
from results.report.wording import count, size
from search_spaces.block import FACTORS
from study.html import html_table
from study.layout import RunFolder
from study.packing.outlook import Outlook, outlook
from study.packing.record import read_packing
from study.plan.budget import over_budget_lines
from study.plan.checks import left_out_images, refuse_untrainable
from study.plan.cost import StudyCost, TimeSource, concurrent_trials, study_cost
from study.plan.foresight import foreseen, why_separate_is_lacking
from study.plan.fusing import fusing_lines
from study.plan.plan import StudyPlan
from study.retention.forecast import run_bytes
from study.run_folder.ownership import refuse_another_rule, refuse_another_study
from study.schedule.explore.warm_start import warm_start_lines
from study.schedule.rounds import told_trials
from study.session.target import Target
from study.terminal.display import duration, scaled
from study.terminal.plan_table import not_shown, plan_text

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS_EXPLORED = 24
"""Rows of the display table at most, where arms are alternatives of a sampler: all may be thousands."""


@dataclass(frozen=True)
class KnownResults:
    """Results that an earlier run of the study left.

    Attributes:
        folder: the run folder.
        done: number of trials done.
        trained_again: number of ended trials that would be retrained.
        lack_monitoring: number of trials that lack monitoring.
        seconds: measured seconds per epoch by arm id; None if unknown.
        source: origin of ``seconds``.
        notes: notes for the user, one line each.
    """

    folder: RunFolder
    done: int = 0
    trained_again: int = 0
    lack_monitoring: int = 0
    seconds: dict[str, float] | None = None
    source: TimeSource | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The plan of a study with its cost. Notebooks and ``print`` show it as a table.

    Attributes:
        plan: the arms, each with its configuration and storage figures.
        cost: trials, disk space, and time if known.
        known: results of an earlier run.
        warnings: warnings about machine, images and labels.
        outlook: how the trials will run on GPUs; None for a study that does not.
        probe: the command or call that times a few steps of every arm.
    """

    plan: StudyPlan
    cost: StudyCost
    known: KnownResults
    warnings: tuple[str, ...]
    outlook: Outlook | None
    probe: str

    @property
    def trials(self) -> int:
        """Number of trials, over all arms."""
        return self.plan.trials

    @property
    def arms(self) -> pd.DataFrame:
        """One row per arm: name, factors and added parameters, with bytes at fp32 and multiply-adds per image."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "arm": arm.arm.name,
                    **{name: factor.name_of(arm.arm.levels[name]) for name, factor in FACTORS.items()},
                    "added_parameters": arm.storage.added_parameters,
                    "added_parameters_per_task": arm.storage.added_parameters_per_task,
                    "bytes_fp32": arm.storage.bytes_fp32,
                    "multiply_adds_per_image": arm.storage.multiply_adds_per_image,
                }
                for arm in self.plan.arms
            ]
        )

    def rows(self) -> list[dict[str, str]]:
        """Return the display table: one dict per arm, with column titles as keys and plain text as values.

        Of the arms that an exploration may propose, the first ``MOST_ROWS_EXPLORED``; ``arms`` has all of them.
        """
        return [self._row(index) for index in range(self._rows_shown)]

    @property
    def _rows_shown(self) -> int:
        arms = len(self.plan.arms)
        return min(arms, MOST_ROWS_EXPLORED) if self._explores else arms

    @property
    def _explores(self) -> bool:
        return self.plan.definition.search.mode == "explore"

    def _row(self, index: int) -> dict[str, str]:
        arm, storage = self.plan.arms[index].arm, self.plan.arms[index].storage
        return {
            "arm": arm.name,
            "added parameters": count(storage.added_parameters),
            "per task": f"{storage.added_parameters_per_task:,.1f}".removesuffix(".0"),
            "bytes": size(storage.bytes_fp32),
            "multiply-adds": scaled(storage.multiply_adds_per_image),
            "vectors": count(storage.embeddings_per_image),
            **({} if self.outlook is None else self.outlook.row(index)),
            **({"work": duration(self.cost.seconds[arm.arm_id])} if self.cost.seconds and not self._explores else {}),
        }

    def lines(self, shown: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return the lines to print below the table, given the titles of the columns shown (None: all)."""
        titles = set(self.rows()[0] if shown is None else shown)
        warnings = (f"warning: {warning}" for warning in self.warnings)
        return (self._units(titles), *self._remarks(), self._time(), *warnings)

    def _units(self, shown: set[str]) -> str:
        """Return the units of the columns shown."""
        plan = self.plan
        base = f"{count(plan.arms[0].storage.base_parameters)} parameters of one {plan.definition.network.backbone}"
        per_image = [name for name in ("multiply-adds", "vectors") if name in shown]
        notes = [
            f"added to {base}",
            *(["bytes at fp32"] if "bytes" in shown else []),
            *([f"{' and stored '.join(per_image)} for one image and all tasks"] if per_image else []),
        ]
        return "; ".join(notes)

    def _remarks(self) -> tuple[str, ...]:
        plan, cost, known, definition = self.plan, self.cost, self.known, self.plan.definition
        unused = "" if known.folder.plan.is_file() else " (nothing has been run there yet)"
        return (
            *not_shown(self._rows_shown, [arm.storage.added_parameters for arm in plan.arms]),
            f"{self._trials()}, {known.done} of them done; up to {definition.optimization.epochs} epochs each",
            f"selection: the tune trial of each arm with the highest {definition.selection.in_words()}",
            f"run folder: {known.folder.shown}{unused}",
            *known.notes,
            f"duplicate combinations left out: {plan.duplicates}{why_separate_is_lacking(plan)}",
            *over_budget_lines(plan.over_budget),
            f"tasks: {len(definition.data.tasks)}: {', '.join(definition.data.tasks)}",
            f"disk: about {size(cost.disk_bytes)} (weights, checkpoints, decoded images)",
            *(fusing_lines(plan) if self.outlook is None else self.outlook.lines()),
        )

    def _trials(self) -> str:
        plan, cost, search = self.plan, self.cost, self.plan.definition.search
        if self._explores:
            return (
                f"trials: {cost.trials} tune, {search.round_size} at a time, each of any of {len(plan.arms)} arms as"
                f" {search.sampler} proposes; then {cost.confirm_trials} confirm for each arm on the validation front"
            )
        least = min(plan.tune_trials(arm) for arm in plan.arms)
        tune = str(cost.tune_trials) if least == cost.tune_trials else f"{least} to {cost.tune_trials}"
        return f"trials: {len(plan.arms)} arms x ({tune} tune + {cost.confirm_trials} confirm) = {plan.trials}"

    def _time(self) -> str:
        cost = self.cost
        if cost.wall_seconds is None:
            return f"time: not known before the first trial has finished; a short timed probe: {self.probe}"
        whole = "the whole study" if self.plan.definition.search.mode == "design" else "the tune trials"
        alone = cost.source == "probe" and self.outlook is not None and self.outlook.shares_unmeasured
        return (
            f"time: {'at least' if alone else 'about'} {duration(cost.wall_seconds)} for {whole}"
            f" with {_range(cost.at_once.values())} trials at once here (from the {cost.source})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the whole preview as JSON-compatible values."""
        plan, figures = self.plan, asdict(self.cost)
        seconds, at_once = figures.pop("seconds") or {}, figures.pop("at_once")
        return {
            "study": plan.definition.name,
            "data_fingerprint": plan.data_fingerprint,
            "duplicates": plan.duplicates,
            "over_budget": [asdict(arm) for arm in plan.over_budget],
            "trials_done": self.known.done,
            "trials_trained_again": self.known.trained_again,
            "trials_without_monitoring": self.known.lack_monitoring,
            "results_version": plan.results_version,
            "device": plan.device.kind,
            "run_folder": self.known.folder.shown,
            "wall_seconds": self.cost.wall_seconds,
            **figures,
            "arms": [
                {
                    **arm.arm.to_dict(),
                    "storage": arm.storage.rows(plan.definition.name, arm.arm.arm_id, arm.arm.name),
                    "seconds": seconds.get(arm.arm.arm_id),
                    "trials_at_once": at_once[arm.arm.arm_id],
                    **({} if self.outlook is None else self.outlook.arms[index].to_dict()),
                }
                for index, arm in enumerate(plan.arms)
            ],
            "warnings": self.warnings,
        }

    def __str__(self) -> str:
        """Return the table and the lines below it."""
        return "\n".join((plan_text(self.rows()), *map(visible, self.lines())))

    def __repr__(self) -> str:
        """Return a one-line summary."""
        arms = ", ".join(arm.arm.name for arm in self.plan.arms)
        return f"<plan of {self.plan.definition.name}: {self.trials} trials of {len(self.plan.arms)} arms: {arms}>"

    def _repr_html_(self) -> str:
        return html_table(self.rows(), f"plan of {self.plan.definition.name}", self.lines())


def preview(target: Target, *, probe: bool = False) -> Preview:
    """Return what a study would train and store, and how long it would take; ``probe`` times a few steps of every arm.

    Raises:
        UserError: the study breaks a rule or does not fit the data, or its run folder belongs to another study.
    """
    plan = target.compile()
    with target.named():
        refuse_another_study(plan.definition, plan.data_fingerprint, target.folder)
        refuse_another_rule(plan.definition, target.folder)
        refuse_untrainable(plan)
        left_out = left_out_images(plan)
    known = _known_from_run(target, plan)
    seconds, source = known.seconds, known.source
    runs = outlook(plan, read_packing(target.folder))
    if runs is not None and seconds is None:
        seconds, source = runs.epoch_seconds, "probe"
    if probe and (runs is None or runs.epoch_seconds is None):
        from study.status.timing import probed_epoch_seconds

        with target.named():
            seconds, source = probed_epoch_seconds(plan), "probe"
    with target.named():
        warnings = (*foreseen(plan), *left_out)
        known = replace(known, notes=(*known.notes, *warm_start_lines(told_trials(plan, target.folder))))
    at_once = dict.fromkeys((arm.arm.arm_id for arm in plan.arms), concurrent_trials(plan.definition))
    at_once |= {} if runs is None else runs.at_once
    cost = study_cost(plan, seconds, source, at_once, run_bytes(plan, max(at_once.values())).total)
    return Preview(plan, cost, known, warnings, runs, target.command("plan", "--probe"))


def _range(numbers: Iterable[int]) -> str:
    low, high = min(known := tuple(numbers)), max(known)
    return f"{low}" if low == high else f"{low} to {high}"


def _known_from_run(target: Target, plan: StudyPlan) -> KnownResults:
    """Return the results in the run folder, if it exists."""
    folder = target.folder
    if not folder.trials.is_dir():
        return KnownResults(folder)
    from study.schedule.progress import read_progress
    from study.session.notes import earlier_line, monitoring_line
    from study.status.earlier import earlier_results
    from study.status.monitoring import unmonitored
    from study.status.timing import measured_epoch_seconds

    progress = read_progress(folder, plan)
    earlier = earlier_results(folder, plan.data_fingerprint, plan.device.kind)
    lacking = unmonitored(progress)
    return KnownResults(
        folder,
        done=progress.done,
        trained_again=earlier.ended if earlier else 0,
        lack_monitoring=len(lacking),
        seconds=measured_epoch_seconds(progress),
        source="finished trials",
        notes=(
            *([earlier_line(target, earlier)] if earlier else []),
            *([monitoring_line(target, lacking)] if lacking else []),
        ),
    )
