"""Foreseeable problems that no rule forbids: one warning each, with the key and a way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.layout import dataset_cache
from study.plan.cost import usable_cpus
from study.plan.plan import StudyPlan
from trainables.foundation.locks.file_systems import NETWORK, file_system_of

if TYPE_CHECKING:
    from trainables.sources.source import ImageSource, Labels

_ENLARGED = 2
_TASKS_NAMED = 5
_CLASSES_NAMED = 3


def foreseen(plan: StudyPlan, *, elsewhere: bool = False) -> tuple[str, ...]:
    """Return warnings about machine, images and labels; images are not decoded.

    Args:
        plan: the study.
        elsewhere: the study runs on a cluster, whose machines are unknown here.

    Raises:
        UserError: files, columns or tasks are inconsistent.
    """
    definition = plan.definition
    with error_context("data"):
        source = definition.data.open(definition.seeds.data_seed, None)
        return (
            *(() if elsewhere else _machine(plan)),
            *_cache(),
            *_rungs(definition),
            *_not_repeatable(definition),
            *_single_round(plan),
            *_kept_arms(definition),
            *_stored(definition, source),
            *_classes(definition, source),
        )


def _machine(plan: StudyPlan) -> Iterator[str]:
    """Compare the resources of a trial with this machine; a cluster may have them."""
    from trainables.training.runtime import gpus_here

    resources, device, gpus = plan.definition.resources, plan.device.kind, gpus_here()
    elsewhere = "a cluster may have it (modstudy run --address)"
    if resources.gpus != "auto" and resources.gpus > gpus:
        here = f"{gpus} GPUs" if gpus else "no GPU that CUDA can use"
        yield f"resources.gpus: a trial needs {plan.gpus:g}, this machine has {here}; {elsewhere}, or set auto"
    elif device == "cuda" and not gpus:
        yield f"compute.device: cuda, but this machine has no GPU that CUDA can use; {elsewhere}, or set auto"
    if device == "cuda" and not plan.gpus:
        yield "compute.device: cuda, but resources.gpus is 0, so trials get no GPU; set the share of a GPU per trial"
    if resources.cpus > usable_cpus():
        yield (
            f"resources.cpus: a trial needs {resources.cpus:g}, this machine has {usable_cpus()}; "
            f"{elsewhere}, or set fewer"
        )


def _single_round(plan: StudyPlan) -> Iterator[str]:
    """Warn of pruning over arms that can stop nothing, since trials are compared with earlier rounds."""
    search = plan.definition.search
    if search.halving is None or not search.halving.stop_beaten:
        return
    if all(plan.tune_trials(arm) <= search.round_size for arm in plan.arms):
        yield (
            "search.halving.stop_beaten: does nothing, since no arm has a second round and nothing of the first is"
            f" stopped; set search.trials_per_arm above round_size {search.round_size}"
        )


def _kept_arms(definition: StudyDefinition) -> Iterator[str]:
    """Warn of a number of arms whose weights are to stay, where another rule decides."""
    retention = definition.retention
    if retention.weights != "best" and retention.best_arms != type(retention)().best_arms:
        yield f"retention.best_arms: does nothing with retention.weights {retention.weights}; set that to best"


def _cache() -> Iterator[str]:
    """Warn of decoded images on another machine: every trial reads all of them in every epoch."""
    kind = file_system_of(dataset_cache())
    if kind in NETWORK:
        yield (
            f"MODSTUDY_CACHE: the decoded images are in {dataset_cache()}, on a network file system ({kind}); set it to"
            " a folder on the own disk of every node"
        )


def _rungs(definition: StudyDefinition) -> Iterator[str]:
    """Warn of trials that are compared in the middle of a falling learning rate."""
    halving, training = definition.search.halving, definition.optimization
    for rung in () if halving is None else halving.unfinished(training)[:1]:
        yield (
            f"search.halving: at rung {rung} of {training.epochs} epochs the {training.schedule} schedule has"
            " not ended, so high learning rates are judged before they have come down; schedule: restart ends it at"
            " rungs"
        )


def _not_repeatable(definition: StudyDefinition) -> Iterator[str]:
    halving = definition.search.halving
    if halving is not None and not halving.repeatable:
        yield (
            "search.halving.mode: asynchronous is not repeatable: which trials end at a rung depends on which reached"
            " it first, and so do the values of later rounds and what is selected; synchronous is"
        )


def _stored(definition: StudyDefinition, source: ImageSource) -> Iterator[str]:
    from trainables.sources.reading.image_sizes import stored_size
    from trainables.sources.source import ImageSource

    size = stored_size(source)
    if size is None:
        if type(source).sample is not ImageSource.sample:  # the source can show its images
            yield (
                f"data.source: no image of a sample of those that {definition.data.source.place} names can be read;"
                " modstudy data check says why"
            )
        return
    factor = size.enlargement(definition.data.image_size, definition.data.fit)
    if factor > _ENLARGED:
        enough = round(definition.data.image_size / factor)
        yield (
            f"data.image_size: {definition.data.image_size} enlarges images of {size.shorter} to {size.longer} pixels "
            f"a side {factor:.1f}-fold, which costs time and adds no information; {enough} keeps all detail"
        )


def _classes(definition: StudyDefinition, source: ImageSource) -> Iterator[str]:
    """Yield warnings about classes, for the first tasks concerned."""
    train, held_out = source.labels("train"), np.concatenate([source.labels(name) for name in ("validation", "test")])
    classes = source.classes()
    odd = {
        task: found
        for column, task in enumerate(definition.data.tasks)
        if (found := list(_odd(classes[task], train[:, column], held_out[:, column])))
    }
    for task, found in list(odd.items())[:_TASKS_NAMED]:
        yield f"data.tasks: {task!r}: {'; '.join(found)}"
    if len(odd) > _TASKS_NAMED:
        yield f"data.tasks: {len(odd) - _TASKS_NAMED} more tasks with such classes; modstudy data counts them all"


def _odd(names: tuple[str, ...], train: Labels, held_out: Labels) -> Iterator[str]:
    trained = np.bincount(train[train >= 0], minlength=len(names))
    measured = np.bincount(held_out[held_out >= 0], minlength=len(names))
    if np.count_nonzero(trained) == 1:
        yield "all training images are of one class, so there is nothing to learn; omit the task"
    absent = [name for name, seen, wanted in zip(names, trained, measured, strict=True) if wanted and not seen]
    if absent:
        yield f"no training image, but evaluated: {_listed(absent)}; other splits would include them"
    single = [name for name, seen in zip(names, trained, strict=True) if seen == 1]
    if single:
        yield f"one training image, so no positive: {_listed(single)}; merge or omit such classes"


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_CLASSES_NAMED])
    return shown if len(names) <= _CLASSES_NAMED else f"{len(names):,} classes ({shown}, ...)"


def why_separate_is_lacking(plan: StudyPlan) -> str:
    """Return that one network per task is no arm of its own where there is one task; empty otherwise."""
    blocks, tasks = plan.definition.space.blocks, plan.definition.data.tasks
    wanted = any(grouping.level == "network" for block in blocks for grouping in block.grouping)
    return " (with one task, a network per task is the shared network)" if wanted and len(tasks) == 1 else ""
