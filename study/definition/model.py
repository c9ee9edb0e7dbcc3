"""The model of a study file. Strict: unknown keys are refused, and every value is validated.

The sections on data, augmentation, network, batches, loss, optimization, evaluation, agreement and compute are those of
``trainables.config.trial``; ``evaluation.splits`` and ``compute.threads`` follow from the stage and from ``resources``.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator, model_validator

from search_spaces.catalog import CATALOG, Space
from search_spaces.factors.kinds import EQUAL_STEPS, Budgets
from search_spaces.nuisance import Choice
from search_spaces.space import SearchSpace
from study.definition.halving import HalvingSection
from study.definition.retention import RetentionSection
from study.definition.secrets import holds_secret, redact_address
from trainables.config.evaluation import MetricName
from trainables.config.sections import SharedSections
from trainables.config.trial import check_sections_agree
from trainables.foundation.section import Section

LONGEST_NAME = 100
"""Largest number of characters in a study's name."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"
"""What a study's name matches, which is also the name of a folder."""


TRIALS_PER_VALUE = 4
"""By default, an arm gets this many tune trials for every value that is tuned, and as many to start from."""


_SPACE: TypeAdapter[SearchSpace] = TypeAdapter(Space)
"""Reads a space by its own rules, not by pydantic's strict ones, under which levels would have to be tuples."""


FEWEST_PARENTS = 2
"""Trials of a round of a genetic sampler at least; with fewer, Optuna fails in the third round."""


Sampler = Literal["tpe", "nsga2", "nsga3", "random"]
"""Samplers of ``search.mode: explore``."""


class SearchSection(Section):
    """The search for nuisance values, and in the mode ``explore`` for arms: sampled ``round_size`` trials at a time.

    ``trials_per_arm`` None means one round for every tuned value, and one more; see ``trials_for``. ``trials`` and
    ``sampler`` are those of the mode ``explore``, and so is ``warm_start``: run folders of earlier studies, whose tune
    trials the sampler is told first.
    """

    mode: Literal["design", "explore"] = "design"
    trials_per_arm: int | None = Field(None, ge=1)
    trials: int | None = Field(None, ge=1)
    sampler: Sampler = "tpe"
    warm_start: tuple[str, ...] = ()
    round_size: int = Field(4, ge=1)
    sampler_seed: int = Field(0, ge=0)
    halving: HalvingSection | None = None

    @model_validator(mode="after")
    def _keys_fit_the_mode(self) -> SearchSection:
        if self.mode == "design":
            for key, unset in (("trials", None), ("sampler", "tpe"), ("warm_start", ())):
                if getattr(self, key) != unset:
                    raise ValueError(f"search.{key}: only with search.mode: explore; leave it out, or set the mode")
            return self
        if self.trials is None:
            raise ValueError("search.trials: missing; search.mode: explore needs the number of tune trials in all")
        if self.trials_per_arm is not None:
            raise ValueError("search.trials_per_arm: not with search.mode: explore; trials counts those of all arms")
        if self.warm_start and self.sampler == "random":
            raise ValueError("search.warm_start: not with search.sampler: random, which takes no results into account")
        if self.round_size < FEWEST_PARENTS and self.sampler in ("nsga2", "nsga3"):
            raise ValueError(
                f"search.round_size: at least {FEWEST_PARENTS} with search.sampler: {self.sampler}, whose trials have"
                f" two parents from the rounds before; got {self.round_size}"
            )
        if self.halving is not None:
            raise ValueError("search.halving: not with search.mode: explore, whose rounds hold trials of several arms")
        return self

    def trials_for(self, values: int) -> int:
        """Return the tune trials of every arm, given the number of values tuned in the arm that tunes most.

        Without a number of trials: 8 for one value, 12 for two, 16 for three, ... The first four are quasi-random;
        the sampler proposes the others. With nothing to tune, all trials would be one.
        """
        if values == 0:
            return 1
        return self.trials_per_arm or TRIALS_PER_VALUE * (values + 1)


class SelectionSection(Section):
    """The validation metric (mean over tasks, last epoch) that selects among the tune trials of an arm."""

    metric: MetricName = "triplet_accuracy"
    average: Literal["query", "class"] = "query"

    def in_words(self) -> str:
        """Return the metric, its split and its average, as shown wherever the objective is."""
        over = "queries" if self.average == "query" else "classes"
        return f"validation {self.metric}".replace("_", " ") + f" (mean over {over} and tasks)"


class ConfirmSection(Section):
    """The train seeds with which the selected values of every arm are retrained."""

    seeds: tuple[int, ...] = Field((1, 2, 3, 4, 5), min_length=1)

    @model_validator(mode="after")
    def _seeds_are_distinct(self) -> ConfirmSection:
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be distinct and not negative, got {list(self.seeds)}")
        return self


class SeedsSection(Section):
    """``data_seed`` draws images and frozen triplets, ``tune_seed`` is the train seed of the tune stage."""

    data_seed: int = Field(0, ge=0)
    tune_seed: int = Field(0, ge=0)


class RetriesSection(Section):
    """Retries of a trial in one run after each kind of failure, counted apart; None takes ``resources.retries``."""

    lost: int | None = Field(100, ge=0)
    killed: int | None = Field(None, ge=0)
    out_of_memory: int | None = Field(None, ge=0)
    hung: int | None = Field(None, ge=0)
    data: int | None = Field(None, ge=0)
    crashed: int | None = Field(None, ge=0)


class ResourcesSection(Section):
    """Resources of one trial, the maximum number of concurrent trials (None: as many as fit), and retries of a failure.

    ``gpus``: ``auto`` uses GPUs where there are any, one for each trial.
    ``hang_after_s``: a trial without progress (a step, a chunk of an evaluation) for this long is ended; None: never.
    ``silence_s``: a worker that gives no sign of life for this long is ended from outside; None: never.
    ``wait_for_nodes_s``: of a cluster: the longest wait for a node that a trial fits into.
    ``allow_other_versions``: whether a cluster's nodes may have other versions of the software than the driver.
    """

    cpus: float = Field(1, gt=0)
    gpus: float | Literal["auto"] = "auto"
    max_concurrent: int | None = Field(None, ge=1)
    retries: int = Field(2, ge=0)
    retries_by_kind: RetriesSection = RetriesSection()
    hang_after_s: float | None = Field(1800, gt=0)
    silence_s: float | None = Field(3600, gt=0)
    wait_for_nodes_s: float = Field(600, ge=0)
    allow_other_versions: bool = False

    @field_validator("gpus", mode="before")
    @classmethod
    def _auto_or_number(cls, gpus: Any) -> Any:
        number = isinstance(gpus, int | float) and not isinstance(gpus, bool)
        if gpus != "auto" and not (number and 0 <= gpus < math.inf):
            raise ValueError(f"resources.gpus: should be auto or a number of at least 0, got {gpus!r}")
        return gpus

    def retries_of(self, kind: str) -> int:
        """Return the retries of a trial in one run after a kind of failure."""
        own: int | None = getattr(self.retries_by_kind, kind, None)
        return self.retries if own is None else own

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

    name: str = Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)
    description: str = ""


class StudyDefinition(SharedSections, Title):
    """A whole study file.

    Example:
        >>> from trainables.config.data import DataConfig
        >>> definition = StudyDefinition(name="faces", data=DataConfig(tasks=("Smiling", "Glasses"), image_size=48))
        >>> definition.objective_metric
        'validation/mean/triplet_accuracy/query'
    """

    budget: Budgets = EQUAL_STEPS
    space: Annotated[SearchSpace, BeforeValidator(_SPACE.validate_python)] = CATALOG["default"]
    search: SearchSection = SearchSection()
    selection: SelectionSection = SelectionSection()
    confirm: ConfirmSection = ConfirmSection()
    seeds: SeedsSection = SeedsSection()
    resources: ResourcesSection = ResourcesSection()
    retention: RetentionSection = RetentionSection()
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
        if self.budget != EQUAL_STEPS and scheme == "released":
            raise ValueError(
                f"budget: {self.budget} takes fewer steps of an epoch, but every epoch of the scheme released starts"
                " with the same images; use the scheme triplets"
            )
        if "splits" in self.evaluation.model_fields_set:
            raise ValueError(
                "evaluation.splits follows from the stage (tune: validation; confirm: also test); leave it out"
            )
        if "rung_metric" in self.evaluation.model_fields_set:
            raise ValueError("evaluation.rung_metric follows from selection.metric; leave it out")
        if "method" in self.balancing.model_fields_set:
            raise ValueError("balancing.method is a factor: write it as the level 'balancing' of a block of space")
        if "threads" in self.compute.model_fields_set:
            raise ValueError("compute.threads follows from resources.cpus; leave it out")
        if self.seeds.tune_seed in self.confirm.seeds:
            raise ValueError(
                f"confirm.seeds must be fresh: {list(self.confirm.seeds)} holds seeds.tune_seed {self.seeds.tune_seed}"
            )
        return self

    @model_validator(mode="after")
    def _rungs_fit_the_training(self) -> StudyDefinition:
        halving, epochs = self.search.halving, self.optimization.epochs
        if halving is not None and halving.rungs[-1] >= epochs:
            raise ValueError(
                f"search.halving.rungs must be below optimization.epochs {epochs}, got {list(halving.rungs)}"
            )
        restarts = self.optimization.restarts
        if halving is not None and halving.schedule == "restart" and restarts not in ((), halving.rungs):
            raise ValueError(
                f"optimization.restarts follow from search.halving.rungs {list(halving.rungs)} (schedule: restart), got"
                f" {list(restarts)}; leave them out"
            )
        return self

    @property
    def objective_metric(self) -> str:
        """The value that tuning maximizes, as ``split/mean over tasks/metric/average``."""
        return f"validation/mean/{self.selection.metric}/{self.selection.average}"

    def to_dict(self) -> dict[str, Any]:
        """Return every setting as JSON values; validating them gives an equal definition."""
        return self.model_dump(
            mode="json",
            exclude={"evaluation": {"splits", "rung_metric"}, "compute": {"threads"}, "balancing": {"method"}},
        )
