"""The model of a study file. Strict: unknown keys are refused, and every value is validated.

The sections on data, augmentation, network, batches, loss, optimization, evaluation, agreement and compute are those of
``trainables.config.trial``; ``evaluation.splits`` and ``compute.threads`` follow from the stage and from ``resources``.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator, model_validator

from search_spaces.catalog import CATALOG, Space
from search_spaces.nuisance import Choice
from search_spaces.space import SearchSpace
from study.definition.secrets import holds_secret, redact_address
from trainables.config.sections import SharedSections
from trainables.config.trial import check_sections_agree
from trainables.foundation.section import Section

LONGEST_NAME = 100
"""Largest number of characters in a study's name."""


_SPACE: TypeAdapter[SearchSpace] = TypeAdapter(Space)
"""Reads a space by its own rules, not by pydantic's strict ones, under which levels would have to be tuples."""


class HalvingSection(Section):
    """At each rung (epochs done) the best share ``keep`` of an arm's trials continues; ties and rounding keep more."""

    rungs: tuple[int, ...] = Field(min_length=1)
    keep: float = Field(0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _rungs_rise(self) -> HalvingSection:
        if list(self.rungs) != sorted(set(self.rungs)) or self.rungs[0] < 1:
            raise ValueError(f"rungs must be ascending epochs from 1, got {list(self.rungs)}")
        return self


class SearchSection(Section):
    """The search for the nuisance values of an arm: ``trials_per_arm`` trials, sampled ``round_size`` at a time."""

    mode: Literal["design"] = "design"
    trials_per_arm: int = Field(4, ge=1)
    round_size: int = Field(4, ge=1)
    sampler_seed: int = Field(0, ge=0)
    halving: HalvingSection | None = None


class SelectionSection(Section):
    """The validation metric (mean over tasks, last epoch) that selects among the tune trials of an arm."""

    metric: Literal[
        "triplet_accuracy",
        "recall_at_1",
        "recall_at_5",
        "recall_at_10",
        "mean_average_precision",
        "map_at_r",
        "r_precision",
    ] = "triplet_accuracy"
    average: Literal["query", "class"] = "query"


class ConfirmSection(Section):
    """The train seeds with which the selected values of every arm are retrained."""

    seeds: tuple[int, ...] = Field((1, 2, 3), min_length=1)

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> ConfirmSection:
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be distinct and not negative, got {list(self.seeds)}")
        return self


class SeedsSection(Section):
    """``data_seed`` draws images and frozen triplets, ``tune_seed`` is the train seed of the tune stage."""

    data_seed: int = Field(0, ge=0)
    tune_seed: int = Field(0, ge=0)


class ResourcesSection(Section):
    """Resources of one trial, the maximum number of concurrent trials (None: as many as fit), and retries of a failure.

    ``gpus``: ``auto`` uses GPUs where there are any, one for each trial.
    ``hang_after_s``: a trial without progress (a step, a chunk of an evaluation) for this long is ended; None: never.
    """

    cpus: float = Field(1, gt=0)
    gpus: float | Literal["auto"] = "auto"
    max_concurrent: int | None = Field(None, ge=1)
    retries: int = Field(2, ge=0)
    hang_after_s: float | None = Field(1800, gt=0)

    @field_validator("gpus", mode="before")
    @classmethod
    def _auto_or_number(cls, gpus: Any) -> Any:
        number = isinstance(gpus, int | float) and not isinstance(gpus, bool)
        if gpus != "auto" and not (number and 0 <= gpus < math.inf):
            raise ValueError(f"resources.gpus: should be auto or a number of at least 0, got {gpus!r}")
        return gpus

    @property
    def threads(self) -> int:
        """Threads of one trial: its whole CPUs, so that parallel trials never oversubscribe the cores."""
        return max(1, int(self.cpus))


class TrackingSection(Section):
    """The MLflow store and its experiment (None: the study's name).

    Without ``uri`` the store is that of ``MLFLOW_TRACKING_URI``; without both, SQLite in the run folder.
    """

    uri: str | None = Field(None, min_length=1)
    experiment: str | None = Field(None, min_length=1, max_length=500)

    @field_validator("uri")
    @classmethod
    def _no_secret(cls, uri: str | None) -> str | None:
        if uri is not None and holds_secret(uri):
            raise ValueError(
                f"{redact_address(uri)} holds a login, and a study file is copied and shown; leave the login out and"
                " set it in the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or"
                " MLFLOW_TRACKING_TOKEN, for a server; for a database leave tracking.uri out and set"
                " MLFLOW_TRACKING_URI to the whole address"
            )
        return uri


class Title(Section):
    """What a study is called."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=LONGEST_NAME)
    description: str = ""


class StudyDefinition(SharedSections, Title):
    """A whole study file.

    Example:
        >>> from trainables.config.data import DataConfig
        >>> definition = StudyDefinition(name="faces", data=DataConfig(tasks=("Smiling", "Glasses"), image_size=48))
        >>> definition.objective_metric
        'validation/mean/triplet_accuracy/query'
    """

    space: Annotated[SearchSpace, BeforeValidator(_SPACE.validate_python)] = CATALOG["default"]
    search: SearchSection = SearchSection()
    selection: SelectionSection = SelectionSection()
    confirm: ConfirmSection = ConfirmSection()
    seeds: SeedsSection = SeedsSection()
    resources: ResourcesSection = ResourcesSection()
    tracking: TrackingSection = TrackingSection()

    @model_validator(mode="after")
    def _sections_agree(self) -> StudyDefinition:
        check_sections_agree(self.data, self.augmentation, self.batches)
        counts, scheme = self.space.nuisance.get("images_per_batch"), self.batches.scheme
        if scheme != "all_tasks" and counts is not None:
            values, block = counts.values if isinstance(counts, Choice) else (), 3 * len(self.data.tasks)
            if not values or any(value % block for value in values):
                raise ValueError(
                    f"space.nuisance.batch_size: the scheme {scheme} needs a list of multiples of {block} (3 x tasks)"
                )
        if "splits" in self.evaluation.model_fields_set:
            raise ValueError(
                "evaluation.splits follows from the stage (tune: validation; confirm: also test); leave it out"
            )
        if "method" in self.balancing.model_fields_set:
            raise ValueError("balancing.method is a factor: write it as the level 'balancing' of a block of space")
        if "threads" in self.compute.model_fields_set:
            raise ValueError("compute.threads follows from resources.cpus; leave it out")
        if self.seeds.tune_seed in self.confirm.seeds:
            raise ValueError(
                f"confirm.seeds must be fresh: {list(self.confirm.seeds)} holds seeds.tune_seed {self.seeds.tune_seed}"
            )
        halving, epochs = self.search.halving, self.optimization.epochs
        if halving is not None and halving.rungs[-1] >= epochs:
            raise ValueError(
                f"search.halving.rungs must be below optimization.epochs {epochs}, got {list(halving.rungs)}"
            )
        return self

    @property
    def tune_trials_per_arm(self) -> int:
        """Tune trials per arm: 1 if there is nothing to tune, since all would be the same trial."""
        return self.search.trials_per_arm if self.space.nuisance else 1

    @property
    def objective_metric(self) -> str:
        """The value that tuning maximizes, as ``split/mean over tasks/metric/average``."""
        return f"validation/mean/{self.selection.metric}/{self.selection.average}"

    def to_dict(self) -> dict[str, Any]:
        """Return every setting as JSON values; validating them gives an equal definition."""
        return self.model_dump(
            mode="json", exclude={"evaluation": {"splits"}, "compute": {"threads"}, "balancing": {"method"}}
        )
