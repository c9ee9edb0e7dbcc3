"""Schemas of journal lines by kind of event; a line that does not match its schema counts as damaged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from results.tables.metrics import TASK_METRICS
from results.tables.schema import TABLES
from trainables.outcome import AVERAGES

Event = dict[str, Any]

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Epoch = Annotated[int, Field(ge=1, le=2**31 - 1)]
Seconds = Annotated[FiniteFloat, Field(ge=0, lt=253_402_300_800)]
"""Timestamps before the year 10000, the limit of dates and tables."""


class _Line(BaseModel):
    """Fields of every line. Unknown keys are allowed, so journals of other versions stay readable."""

    model_config = ConfigDict(strict=True, extra="allow")

    event: str
    time: Seconds


class PlainArm(BaseModel):
    """An arm as recorded in journals and plans."""

    model_config = ConfigDict(strict=True, extra="allow")

    arm_id: str
    name: str
    placement_name: str
    points: list[str]
    form: str
    activation: str
    initialization: Any
    grouping: Any


class _Optimization(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    epochs: Epoch
    learning_rate: FiniteFloat
    weight_decay: FiniteFloat


class _Config(BaseModel):
    """The part of a trial's configuration that the tables and MLflow use."""

    model_config = ConfigDict(strict=True, extra="allow")

    data: dict[str, Any]
    optimization: _Optimization
    loss: dict[str, Any]
    batches: dict[str, Any]
    data_seed: int
    train_seed: int


class _Planned(_Line):
    study: str
    trial_id: str
    stage: Literal["tune", "confirm"]
    round: Count
    index: Count
    arm: PlainArm
    nuisance: dict[str, FiniteFloat]
    sampler_seed: int
    data_fingerprint: str
    results_version: int = 0
    config: _Config


class _Started(_Line):
    attempt: Count
    host: str
    versions: dict[str, str]


class _Epoch(_Line):
    epoch: Epoch
    seconds: Seconds
    metrics: dict[str, FiniteFloat | None]


class _Rung(_Line):
    """``rungs``: the epochs at which the trial has paused so far; absent in older lines."""

    epoch: Epoch
    objective: FiniteFloat | None
    rungs: list[Epoch] = []


class _Metric(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    split: Literal["train", "validation", "test"]
    task: str
    metric: str
    average: str
    value: FiniteFloat | None
    chance: FiniteFloat | None
    queries: Count

    @model_validator(mode="after")
    def _known(self) -> _Metric:
        if self.metric not in TASK_METRICS or self.average not in AVERAGES:
            raise ValueError(f"no metric {self.metric!r} averaged over {self.average!r}")
        return self


class _Finished(_Line):
    epochs_run: Epoch
    objective: FiniteFloat | None
    task_metrics: list[_Metric]
    peak_memory_bytes: Count
    rungs: list[Epoch] = []

    @model_validator(mode="after")
    def _each_metric_once(self) -> _Finished:
        keys = [(row.split, row.task, row.metric, row.average) for row in self.task_metrics]
        if len(set(keys)) != len(keys):
            raise ValueError("a metric occurs twice")
        return self


class _Failed(_Line):
    """``epoch``: the number of epochs done before the failure; absent in older lines.

    ``alone``: only of a failure after which a trial is tried alone, or that it met alone: whether it had a whole GPU,
    or the machine, to itself.
    ``infeasible``: whether the trial can never finish, since it failed equally on another node.
    """

    kind: str
    message: str
    traceback: str
    host: str | None = None
    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    alone: bool | None = None
    infeasible: bool | None = None

    @model_validator(mode="after")
    def _known(self) -> _Failed:
        if self.kind not in TABLES["failures"].column("kind").allowed:
            raise ValueError(f"unknown kind of failure: {self.kind!r}")
        return self


class _Drawn(_Line):
    """A line of the record of rounds; ``nuisance`` holds one point per trial."""

    drawn_from: dict[str, Any]
    size: Count
    nuisance: list[dict[str, FiniteFloat]]


_KINDS: dict[str, type[_Line]] = {
    "planned": _Planned,
    "started": _Started,
    "epoch": _Epoch,
    "paused": _Rung,
    "pruned": _Rung,
    "kept": _Rung,
    "finished": _Finished,
    "failed": _Failed,
    "drawn": _Drawn,
}


def check_event(document: Event) -> None:
    """Check that a line matches the schema of its kind of event; unknown kinds need only the common fields.

    Raises:
        ValueError: a field is missing, has the wrong type, or is out of range.
    """
    name = document.get("event")
    model = _KINDS.get(name, _Line) if isinstance(name, str) else _Line
    try:
        model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
