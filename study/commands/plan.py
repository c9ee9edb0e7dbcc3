"""``modstudy plan``: what a study would train, store and take. Trains nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from results.report.wording import count, size
from study.commands.target import Target, command_line, find_target
from study.definition.validation import error_context
from study.layout import RunFolder, dataset_cache
from study.plan.checks import refuse_untrainable
from study.plan.cost import StudyCost, TimeSource, study_cost
from study.plan.foresight import foreseen
from study.plan.plan import StudyPlan
from study.run_folder.ownership import refuse_another_rule, refuse_another_study
from study.terminal.display import Heading, duration, open_console, print_table, say, scaled, unbroken


def show_plan(given: Path, runs: Path, *, probe: bool, as_json: bool) -> None:
    """Print the plan of a study, as a table or as JSON.

    Raises:
        UserError: the study file breaks a rule or does not fit the data.
    """
    target = find_target(given, runs)
    plan = target.compile()
    with target.named():
        refuse_another_study(plan.definition, plan.data_fingerprint, target.folder)
        refuse_another_rule(plan.definition, target.folder)
        refuse_untrainable(plan)
        _refuse_unfit_images(plan)
    known = _known_from_run(target, plan, command_line("run", given, runs))
    seconds, source = known.seconds, known.source
    if probe:
        from study.status.timing import probed_epoch_seconds

        with target.named():
            seconds, source = probed_epoch_seconds(plan), "probe"
    cost = study_cost(plan, seconds, source)
    with target.named():
        warnings = foreseen(plan)
    if as_json:
        document = {**_document(plan, cost, known), "warnings": warnings}
        print(json.dumps(document, indent=1))  # noqa: T201 - the output of the command
    else:
        _print(plan, cost, known, given)
        for warning in warnings:
            say(open_console(), f"warning: {warning}")


def _refuse_unfit_images(plan: StudyPlan) -> None:
    """Refuse images that ``run`` would refuse, as far as they are decoded already: a plan decodes none.

    Raises:
        UserError: too many of them are corrupt, or stand in two splits.
    """
    from trainables.data import prepared_manifest, refuse_unfit

    manifest = prepared_manifest(plan.data_fingerprint, dataset_cache())
    if manifest is not None:
        with error_context("data"):
            refuse_unfit(manifest, plan.definition.data)


@dataclass(frozen=True)
class _Known:
    """What a run of the study has left: where, trials done, those to be trained again, epoch seconds, what to say."""

    folder: RunFolder
    done: int = 0
    trained_again: int = 0
    lack_monitoring: int = 0
    seconds: dict[str, float] | None = None
    source: TimeSource | None = None
    notes: tuple[str, ...] = ()


def _known_from_run(target: Target, plan: StudyPlan, go_on: str) -> _Known:
    """Return what the run folder tells, if there is one."""
    folder = target.folder
    if not folder.trials.is_dir():
        return _Known(folder)
    from study.commands.notes import earlier_line, monitoring_line
    from study.schedule.progress import read_progress
    from study.status.earlier import earlier_results
    from study.status.monitoring import unmonitored
    from study.status.timing import measured_epoch_seconds

    progress = read_progress(folder, plan)
    earlier, lacking = earlier_results(folder, plan.data_fingerprint), unmonitored(progress)
    return _Known(
        folder,
        done=progress.done,
        trained_again=earlier.ended if earlier else 0,
        lack_monitoring=len(lacking),
        seconds=measured_epoch_seconds(progress),
        source="finished trials",
        notes=(
            *([earlier_line(earlier, go_on)] if earlier else []),
            *([monitoring_line(lacking, go_on)] if lacking else []),
        ),
    )


def _document(plan: StudyPlan, cost: StudyCost, known: _Known) -> dict[str, Any]:
    figures = asdict(cost)
    seconds = figures.pop("seconds") or {}
    return {
        "study": plan.definition.name,
        "data_fingerprint": plan.data_fingerprint,
        "duplicates": plan.duplicates,
        "trials_done": known.done,
        "trials_trained_again": known.trained_again,
        "trials_without_monitoring": known.lack_monitoring,
        "results_version": plan.results_version,
        "run_folder": str(known.folder.path),
        "wall_seconds": cost.wall_seconds,
        **figures,
        "arms": [
            {
                **arm.arm.to_dict(),
                "storage": arm.storage.rows(plan.definition.name, arm.arm.arm_id, arm.arm.name),
                "seconds": seconds.get(arm.arm.arm_id),
            }
            for arm in plan.arms
        ],
    }


def _print(plan: StudyPlan, cost: StudyCost, known: _Known, given: Path) -> None:
    console = open_console()
    headings = [
        Heading("arm", numeric=False),
        Heading("added parameters"),
        Heading("per task", spare=2),
        Heading("bytes", spare=1),
        Heading("multiply-adds", spare=3),
        Heading("vectors", spare=4),
        *([Heading("work")] if cost.seconds else []),
    ]
    shown = print_table(console, headings, [_row(plan, cost, index) for index in range(len(plan.arms))])
    for line in (_units(plan, shown), *_remarks(plan, cost, known), _time(cost, given)):
        say(console, line)


def _units(plan: StudyPlan, shown: Container[str]) -> str:
    """Return what the figures of the columns that are shown stand for."""
    base = f"{count(plan.arms[0].storage.base_parameters)} parameters of one {plan.definition.network.backbone}"
    per_image = [name for name in ("multiply-adds", "vectors") if name in shown]
    notes = [
        f"added to {base}",
        *(["bytes at fp32"] if "bytes" in shown else []),
        *([f"{' and stored '.join(per_image)} for one image and all tasks"] if per_image else []),
    ]
    return "; ".join(notes)


def _remarks(plan: StudyPlan, cost: StudyCost, known: _Known) -> tuple[str, ...]:
    definition, arms = plan.definition, len(plan.arms)
    least = min(plan.tune_trials(arm) for arm in plan.arms)
    tune = str(cost.tune_trials) if least == cost.tune_trials else f"{least} to {cost.tune_trials}"
    trials, epochs = f"{tune} tune + {cost.confirm_trials} confirm", definition.optimization.epochs
    return (
        f"trials: {arms} arms x ({trials}) = {plan.trials}, {known.done} of them done; up to {epochs} epochs each",
        f"run folder: {known.folder.path}{'' if known.folder.plan.is_file() else ' (nothing has been run there yet)'}",
        *known.notes,
        f"duplicate combinations left out: {plan.duplicates}",
        f"tasks: {len(definition.data.tasks)}: {', '.join(definition.data.tasks)}",
        f"disk: about {size(cost.disk_bytes)} (weights, checkpoints, decoded images)",
    )


def _row(plan: StudyPlan, cost: StudyCost, index: int) -> list[str]:
    arm, storage = plan.arms[index].arm, plan.arms[index].storage
    return [
        arm.name,
        count(storage.added_parameters),
        f"{storage.added_parameters_per_task:,.1f}".removesuffix(".0"),
        size(storage.bytes_fp32),
        scaled(storage.multiply_adds_per_image),
        count(storage.embeddings_per_image),
        *([duration(cost.seconds[arm.arm_id])] if cost.seconds else []),
    ]


def _time(cost: StudyCost, given: Path) -> str:
    if cost.wall_seconds is None:
        probe = unbroken(f"modstudy plan {shlex.quote(str(given))} --probe")
        return f"time: not known before the first trial has finished; a short timed probe: {probe}"
    return (
        f"time: about {duration(cost.wall_seconds)} for the whole study with {cost.concurrent} trials at once here"
        f" (from the {cost.source})"
    )
