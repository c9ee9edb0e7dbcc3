"""Checks before a run: refuse settings that would fail every trial at its start, and decode the images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from search_spaces.nuisance import Choice, IntRange
from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.errors import UserError
from study.layout import RunFolder, dataset_cache
from study.plan.data_record import left_out_of, write_data_record
from study.plan.plan import StudyPlan
from trainables.config.trial import TrialConfig

if TYPE_CHECKING:  # torch comes with it
    from trainables.data import Dataset
    from trainables.evaluation.frozen import LabelsAndTriplets


def refuse_untrainable(plan: StudyPlan) -> None:
    """Refuse arms with nothing to train, mismatched start weights, and labels on which no trial can be evaluated.

    Labels are read from the source without decoding images; ``refuse_untrainable_labels`` checks again after corrupt
    images have been dropped.

    Raises:
        UserError: names the key.
    """
    from trainables.preflight import check_something_to_train, check_start_weights, read_labels

    definition = plan.definition
    with error_context("network.weights.path"):
        check_start_weights(definition.network, definition.data.image_size)
    for arm in plan.arms:
        try:
            check_something_to_train(arm.config)
        except ValueError as error:
            raise UserError(f"{error} (arm {arm.arm.name!r})") from error
    with error_context("data"):
        splits = read_labels(definition.data, definition.seeds.data_seed, dataset_cache())
    refuse_untrainable_labels(plan, splits)


def refuse_untrainable_labels(plan: StudyPlan, splits: Mapping[str, LabelsAndTriplets]) -> None:
    """Refuse labels that are too few for the batches, triplets or evaluation of any trial of the plan.

    Raises:
        UserError: names the key, the task and the split.
    """
    from trainables.preflight import check_trainable

    config, tuned = _with_largest_batch(plan)
    with error_context("data"):
        try:
            check_trainable(config, splits)
        except ValueError as error:
            if tuned and str(error).startswith("batches.batch_size"):
                raise UserError(f"space.nuisance.batch_size: {error}") from error
            raise


def left_out_images(plan: StudyPlan) -> tuple[str, ...]:
    """Refuse images that ``run`` would refuse, and name those it leaves out; planning decodes none.

    Returns:
        A sentence on images left out; nothing if there are none, or before the images have been decoded.

    Raises:
        UserError: too many images are corrupt, or images occur in two splits.
    """
    from trainables.data import prepared_manifest, refuse_unfit

    manifest = prepared_manifest(plan.data_fingerprint, dataset_cache())
    if manifest is not None:
        with error_context("data"):
            refuse_unfit(manifest, plan.definition.data)
    return left_out_of(manifest)


def refuse_missing_device(plan: StudyPlan, folder: RunFolder | None = None) -> None:
    """Refuse a device that this machine lacks, if the trials will run here.

    Args:
        plan: the study.
        folder: of its run, which may have been begun on another machine.

    Raises:
        UserError: names the available devices, or the ways out if the study itself does not name the device.
    """
    from trainables.training.runtime import choose_device

    try:
        choose_device(plan.device.kind)
    except ValueError as error:
        if folder is None or _asks_for(plan.definition, plan.device.kind):
            raise UserError(str(error)) from error
        raise UserError(
            f"resources.gpus: the trials in {folder.shown} were planned for the device {plan.device.kind}, which this"
            " machine lacks; continue where there is one (on a cluster: modstudy run --address), or train on the CPU"
            " with resources: {gpus: 0} and another folder for the runs (--runs-dir)"
        ) from error


def _asks_for(definition: StudyDefinition, device: str) -> bool:
    return definition.compute.device == device or definition.resources.gpus != "auto"


def prepare_images(plan: StudyPlan, folder: RunFolder) -> None:
    """Decode the images before any trial starts, so that unusable data is refused before anything is trained.

    Raises:
        UserError: inconsistent data, too many corrupt or duplicate images, or a full disk.
    """
    from trainables.data import prepare_dataset, prepared_manifest

    with error_context("data"):
        try:
            dataset = prepare_dataset(plan.definition.data, plan.definition.seeds.data_seed, dataset_cache())
        except OSError as error:
            raise UserError(f"data: the images cannot be prepared: {error}") from error
        if manifest := prepared_manifest(dataset.fingerprint, dataset_cache()):
            write_data_record(folder, manifest)
    refuse_untrainable_labels(plan, dataset.splits)
    refuse_unlabelled_selection(plan, dataset)


def refuse_unlabelled_selection(plan: StudyPlan, dataset: Dataset) -> None:
    """Refuse a selection metric that needs labels if the validation images of a task have none.

    Raises:
        UserError: names the metric and the task.
    """
    import numpy as np

    from trainables.evaluation.frozen import evaluated_rows
    from trainables.sampling.triplet_kinds import has_positives

    selection = plan.definition.selection
    if (selection.metric, selection.average) == ("triplet_accuracy", "query"):
        return
    every = np.asarray(dataset.splits["validation"].labels)
    rows = evaluated_rows(len(every), "validation", plan.definition.evaluation, plan.definition.seeds.data_seed)
    for column, task in enumerate(plan.definition.data.tasks):
        labels = every[rows, column]
        if selection.metric == "triplet_accuracy_positives" and not has_positives(labels):
            raise UserError(
                f"selection.metric: {selection.metric} needs binary tasks, but task {task!r} has no two validation"
                " images of class 1, none of class 0, or another class; use triplet_accuracy or"
                " triplet_accuracy_balanced"
            )
        if (labels < 0).all():
            raise UserError(
                f"selection.metric: {selection.metric} averaged over {selection.average} needs labels, but no"
                f" validation image of task {task!r} has one; triplet_accuracy averaged over query needs triplets only"
            )


def _with_largest_batch(plan: StudyPlan) -> tuple[TrialConfig, bool]:
    """Return the configuration of a trial with the largest batch that may be drawn, and whether it is drawn at all."""
    config = plan.arms[0].config
    drawn = plan.definition.space.nuisance.get("images_per_batch")
    if drawn is None:
        return config, False
    largest = drawn.high if isinstance(drawn, IntRange) else max(drawn.values) if isinstance(drawn, Choice) else 0
    batches = config.batches.model_copy(update={"batch_size": max(config.batches.batch_size, int(largest))})
    return config.model_copy(update={"batches": batches}), True
