"""What a plan can see coming and no rule forbids: a warning each, with the key and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from study.definition.model import StudyDefinition
from study.plan.cost import usable_cpus
from study.plan.plan import StudyPlan, blaming

if TYPE_CHECKING:
    from trainables.sources.source import ImageSource, Labels

_ENLARGED = 2
_TASKS_NAMED = 5
_CLASSES_NAMED = 3


def foreseen(plan: StudyPlan, *, elsewhere: bool = False) -> tuple[str, ...]:
    """Return warnings about machine, images and labels; images are not decoded.

    Args:
        plan: the study.
        elsewhere: it runs on a cluster, whose machines are not known here.

    Raises:
        UserError: files, columns or tasks do not fit together.
    """
    definition = plan.definition
    with blaming("data"):
        source = definition.data.open(definition.seeds.data_seed, None)
        return (
            *(() if elsewhere else _machine(definition)),
            *_enlarged(definition, source),
            *_classes(definition, source),
        )


def _machine(definition: StudyDefinition) -> Iterator[str]:
    """Compare what a trial wants with this machine; a cluster may have it."""
    from trainables.training.runtime import gpus_here

    resources, device, gpus = definition.resources, definition.compute.device, gpus_here()
    elsewhere = "a cluster may have it (modstudy run --address)"
    if resources.gpus > gpus:
        here = f"{gpus} GPUs" if gpus else "no GPU that CUDA can use"
        yield f"resources.gpus: a trial wants {resources.gpus:g}, this machine has {here}; {elsewhere}, or leave it out"
    elif device == "cuda" and not gpus:
        yield f"compute.device: cuda, and this machine has no GPU that CUDA can use; {elsewhere}, or say auto"
    if device == "cuda" and not resources.gpus:
        yield "compute.device: cuda, but resources.gpus is 0, so trials are given no GPU; say which share one takes"
    if resources.cpus > usable_cpus():
        yield (
            f"resources.cpus: a trial wants {resources.cpus:g}, and so many threads, this machine has {usable_cpus()}; "
            f"{elsewhere}, or take fewer"
        )


def _enlarged(definition: StudyDefinition, source: ImageSource) -> Iterator[str]:
    from trainables.sources.reading.image_sizes import stored_size

    size = stored_size(source)
    if size is None:
        return
    factor = size.enlargement(definition.data.image_size, definition.data.fit)
    if factor > _ENLARGED:
        enough = round(definition.data.image_size / factor)
        yield (
            f"data.image_size: {definition.data.image_size} enlarges images of {size.shorter} to {size.longer} pixels "
            f"a side {factor:.1f}-fold, which takes time and shows nothing more; {enough} shows all there is"
        )


def _classes(definition: StudyDefinition, source: ImageSource) -> Iterator[str]:
    """Yield what is odd about classes, for the first tasks it concerns."""
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
        yield "training images are all of one class, so there is nothing to learn; leave the task out"
    absent = [name for name, seen, wanted in zip(names, trained, measured, strict=True) if wanted and not seen]
    if absent:
        yield f"no training image, yet measured: {_listed(absent)}; other splits would train them"
    single = [name for name, seen in zip(names, trained, strict=True) if seen == 1]
    if single:
        yield f"one training image, so never a positive: {_listed(single)}; join or leave out such classes"


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_CLASSES_NAMED])
    return shown if len(names) <= _CLASSES_NAMED else f"{len(names):,} classes ({shown}, ...)"
