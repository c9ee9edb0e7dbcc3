"""The tables of a study, as versioned Arrow schemas with the unit and the meaning of every column.

Long tables without nested types, so that pandas, DuckDB and Polars read them without this package.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from results.tables.columns import Column, Formerly, TableSpec, all_optional, optional, text
from results.tables.metrics import HEADLINE_METRICS, TASK_METRICS

SCHEMA_VERSION = 4
"""Raised whenever a column is added, renamed, removed or redefined; a file of each version is kept with the
tests. Version 1 gained ``balancing``, ``embedding_l2``, ``mask_l1`` and ``mask_bits`` over time. Since version 3,
``low`` and ``high`` of ``summary`` are Student's t; the bootstrap, which they were before, has columns of its own.
Since version 4, ``trials`` have ``repeatable``."""

INFEASIBLE = "infeasible"
"""How a message in ``failures`` starts of a trial that can never finish, which is not retried."""

FAILURE_KINDS = ("diverged", "out_of_memory", "disk_full", "hung", "data", "crashed", "killed", "lost")
"""Classes of failures; ``killed`` and ``lost`` were part of ``crashed`` in older journals."""

_STUDY = text("study", "name of the study")
_TRIAL = text("trial_id", "hash of everything that can change the trial's result")
_ARM = (text("arm_id", "hash of the arm's factor levels"), text("arm", "short name of the arm"))
_STAGE = text(
    "stage", "tune: finds nuisance values; confirm: retrains the selected values with fresh seeds", "tune", "confirm"
)
_SPLIT = text("split", "images the metric was measured on", "train", "validation", "test")
_METRIC = text("metric", "name of the metric", *TASK_METRICS)
_TRAIN_SEED = Column("train_seed", "int64", "seed", "determines initial weights, order of images and triplets")

_TRAINING_COST = Column(
    "training_cost",
    "float64",
    "1",
    "multiply-adds of a training, relative to one shared network at equal steps",
    nullable=True,
)

FACTORS = (
    text("placement", "name of the placement level"),
    text("points", "stages that carry modulation, comma separated; empty for none"),
    text("form", "form of the modulation"),
    text("activation", "activation applied to the modulation vectors"),
    text("initialization", "how modulation vectors are initialized, and whether they are trained"),
    text("grouping", "which tasks share modulation or a network"),
    text("grouping_level", "what members of a group share", "modulation", "network"),
    replace(text("balancing", "how the tasks' gradients or losses are combined into one step"), before="equal"),
    replace(text("budget", "what the training of arms is equal in", "steps", "multiply_adds"), before="steps"),
)

NUISANCE = (
    Column("learning_rate", "float64", "1", "initial learning rate"),
    Column("margin", "float64", "squared distance", "margin of the triplet loss"),
    Column("weight_decay", "float64", "1", "weight decay of the optimizer"),
    Column("images_per_batch", "int32", "images", "images per training step"),
    Column("embedding_l2", "float64", "1", "weight of the penalty on the length of embeddings", before=0.0),
    Column("mask_l1", "float64", "1", "weight of the penalty on modulation vectors", before=0.0),
    Column(
        "score_steps",
        "float64",
        "steps",
        "steps of the learning rate by which scores of masks start above their threshold; empty in older tables",
        nullable=True,
    ),
    Column("rate_factor", "float64", "1", "learning rate of a form's own parameters over that of others", before=1.0),
    Column("gradnorm_alpha", "float64", "1", "restoring force of GradNorm", before=1.5),
)

_REPEATABLE = "whether a repetition of the study has the same trials; not where halving is asynchronous"

_TRIALS = TableSpec(
    "trials",
    "one row per trial: an arm with nuisance values and seeds",
    (
        _STUDY,
        _TRIAL,
        *_ARM,
        *FACTORS,
        _STAGE,
        Column("round", "int32", "index", "round of the arm's own search that proposed the trial"),
        Column("trial_index", "int32", "index", "number of the trial within its arm and stage, in planned order"),
        text("state", "state of the trial", "completed", "pruned", "failed", "running", "waiting"),
        *NUISANCE,
        Column("data_seed", "int64", "seed", "determines generated images, frozen triplets and capped splits"),
        _TRAIN_SEED,
        Column("sampler_seed", "int64", "seed", "determines the proposed nuisance values"),
        Column("epochs_planned", "int32", "epochs", "epochs of a full training"),
        Column("epochs_run", "int32", "epochs", "epochs done"),
        Column("seconds", "float64", "s", "time spent in completed epochs; depends on the machine and its load"),
        Column("peak_memory_bytes", "int64", "bytes", "peak memory of the trial's process or device", nullable=True),
        Column(
            "objective", "float64", "share", "value maximized by tuning, at the last completed epoch", nullable=True
        ),
        text("objective_metric", "split/mean over tasks/metric/average of the objective"),
        Column("added_parameters", "int64", "parameters", "parameters beyond the same network without modulation"),
        Column("parameters", "int64", "parameters", "all parameters of the model"),
        _TRAINING_COST,
        optional(text("mlflow_run_id", "the trial's MLflow run, if any")),
        replace(optional(text("repeatable", _REPEATABLE, "yes", "no")), before="yes"),
        text("data_fingerprint", "hash of the content of images and labels"),
        Column("attempts", "int32", "count", "number of times a worker started the trial"),
        text("software", "versions of the software, as a JSON object"),
        text("config", "the whole trial configuration, as a JSON object"),
    ),
    key=("trial_id",),
)

_TASK_METRICS = TableSpec(
    "task_metrics",
    "one row per trial, split, task, metric and average",
    (
        _STUDY,
        _TRIAL,
        *_ARM,
        _STAGE,
        _TRAIN_SEED,
        _SPLIT,
        text("task", "name of the task"),
        _METRIC,
        text("average", "mean over queries, or over classes of the mean over a class's queries", "query", "class"),
        Column("value", "float64", "share", "value of the metric; empty if no query has a match", nullable=True),
        Column("chance", "float64", "share", "expected value for random embeddings", nullable=True),
        Column("queries", "int64", "count", "queries or triplets behind the value"),
    ),
    key=("trial_id", "split", "task", "metric", "average"),
)

_CURVES = TableSpec(
    "curves",
    "one row per trial, epoch and metric",
    (
        _STUDY,
        _TRIAL,
        _ARM[0],
        _STAGE,
        Column("epoch", "int32", "epochs", "epochs done"),
        text("metric", "path of the metric, such as train/loss or validation/<task>/triplet_accuracy"),
        Column("value", "float64", "see metric", "value of the metric; empty if undefined", nullable=True),
    ),
    key=("trial_id", "epoch", "metric"),
)

LEDGER = (
    Column("parameters", "int64", "parameters", "parameters"),
    Column("added_parameters", "int64", "parameters", "parameters beyond the same network without modulation"),
    Column("added_parameters_per_task", "float64", "parameters per task", "cost of one additional task"),
    Column("bytes_fp32", "int64", "bytes", "parameters and buffers at 4 bytes per number"),
    Column("bytes_fp16", "int64", "bytes", "parameters and buffers at 2 bytes per number"),
    Column("embeddings_per_image", "int32", "vectors", "vectors to store per image for all tasks"),
    Column("index_bytes_per_image_fp32", "int64", "bytes per image", "gallery index at 4 bytes per number"),
    Column("index_bytes_per_image_fp16", "int64", "bytes per image", "gallery index at 2 bytes per number"),
    Column("multiply_adds_per_image", "int64", "multiply-adds", "computation per image for all tasks"),
    Column("mask_bits", "int64", "bits", "one-bit values, stored eight per byte; 32 of them count as one parameter"),
)

_STORAGE = TableSpec(
    "storage",
    "one row per arm and component: stages, modulation points and the total",
    (
        _STUDY,
        *_ARM,
        text("component", "stage or modulation point; total for the whole model"),
        text("kind", "kind of component", "stage", "modulation", "total"),
        *all_optional(LEDGER),
    ),
    key=("arm_id", "kind", "component"),
)

_FAILURES = TableSpec(
    "failures",
    "one row per failed attempt of a trial",
    (
        _STUDY,
        _TRIAL,
        *_ARM,
        _STAGE,
        text("kind", "class of the failure", *FAILURE_KINDS),
        text("message", "the error, in one line"),
        text("traceback", "location of the error"),
        Column("time", "timestamp", "UTC", "time of recording"),
        Column("attempt", "int32", "count", "number of the attempt, from 1"),
        optional(text("host", "machine that ran the attempt")),
    ),
)


_STUDENT = 3
"""The version since which an unqualified bound is Student's t."""


def _bounds(name: str, meaning: str, interval: str, former: str | None) -> tuple[Column, Column]:
    """Return the lower and the upper bound; ``former`` is what their names began with before version 3."""
    low, high = (
        Column(
            f"{name}_{side}",
            "float64",
            "share",
            f"{meaning}, {word} bound, 95 % {interval} over seeds; empty with fewer than two seeds",
            nullable=True,
            formerly=Formerly(f"{former}_{side}", _STUDENT) if former else None,
        )
        for side, word in (("low", "lower"), ("high", "upper"))
    )
    return low, high


def _estimate(name: str, meaning: str, former: str | None = None) -> tuple[Column, ...]:
    """Return mean and bounds of a mean over seeds: Student's t, and the bootstrap as an extra."""
    return (
        Column(f"{name}_mean", "float64", "share", f"{meaning}, mean over seeds", nullable=True),
        *_bounds(name, meaning, "Student t", former),
        *_bounds(f"{name}_bootstrap", meaning, "percentile bootstrap", name),
    )


def _headline(name: str) -> tuple[Column, ...]:
    worst = "mean over seeds for the task with the lowest mean"
    return (
        *_estimate(name, f"mean over tasks of {name}, averaged over queries"),
        Column(f"{name}_worst_task_mean", "float64", "share", f"{name}: {worst}", nullable=True),
    )


def _difference(reference: str) -> tuple[Column, ...]:
    name = f"delta_{reference}"
    return _estimate(name, f"triplet_accuracy minus that of arm {reference}, paired by seed", f"{name}_t")


_SUMMARY = TableSpec(
    "summary",
    "one row per arm: test metrics of its confirm trials over seeds, and its storage",
    (
        _STUDY,
        *_ARM,
        *all_optional(FACTORS),
        Column("n_seeds", "int32", "count", "confirm trials behind the row"),
        text("seeds", "their train seeds, comma separated"),
        text("split", "images the metrics were measured on", "test"),
        text("selection_rule", "how the nuisance values of the arm were selected"),
        optional(text("selected_trial_id", "the selected tune trial")),
        Column("validation_objective", "float64", "share", "objective of the selected tune trial", nullable=True),
        optional(text("at_edge", "its values beyond which the arm tried nothing, semicolon separated; empty for none")),
        *(column for name in HEADLINE_METRICS for column in _headline(name)),
        *all_optional(LEDGER),
        Column("added_share", "float64", "share", "added parameters over those without modulation", nullable=True),
        *(
            Column(
                name,
                "float64",
                "share",
                f"joint {draws} draws over seeds in which no arm adds no more parameters and is more accurate",
                nullable=True,
                formerly=former,
            )
            for name, draws, former in (
                ("on_front_probability", "Student t", None),
                ("on_front_bootstrap_probability", "bootstrap", Formerly("on_front_probability", _STUDENT)),
            )
        ),
        *_difference("shared"),
        *_difference("separate"),
        _TRAINING_COST,
        Column("seconds_mean", "float64", "s", "mean training time of the confirm trials", nullable=True),
    ),
    key=("arm_id",),
)

TABLES: dict[str, TableSpec] = {
    spec.name: spec for spec in (_TRIALS, _TASK_METRICS, _CURVES, _STORAGE, _FAILURES, _SUMMARY)
}
"""Every table by name."""

SCHEMAS: dict[str, pa.Schema] = {name: spec.schema(SCHEMA_VERSION) for name, spec in TABLES.items()}
"""The Arrow schema of every table."""
