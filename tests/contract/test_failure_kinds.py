"""Every kind of failure in the tables has one source, and the journal holds the kind of what really happened."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from results.tables.schema import TABLES
from study.definition.model import StudyDefinition
from study.journal.events import Event
from study.journal.failures import may_pass
from study.journal.state import read_state
from study.layout import RunFolder
from study.plan.plan import compile_plan, plan_trial
from study.schedule.failures.lost_worker import Loss
from study.tune.execution import TrialFailedError, WorkOrder, execute
from trainables.config.trial import TrialConfig
from trainables.data import data_fingerprint
from trainables.failures import DataError, TrialFailure, reading_data
from trainables.networks.backbones import BACKBONES, Backbone, StageShape, register_backbone
from trainables.sources.faces.source import GeneratedFaces
from trainables.sources.registry import SOURCES, register_source
from trainables.sources.source import ImageSource, ReadRequest


def forget_a_column() -> None:
    {"image": 1}["picture"]


def fill_the_disk() -> None:
    Path("/dev/full").write_text("x", encoding="utf-8")


def lose_the_connection() -> None:
    raise ConnectionResetError("the storage went away")


def allocate_an_array() -> None:
    np.empty(2**59)


def allocate_a_tensor() -> None:
    torch.empty(2**59)


def find_no_memory_for_cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def find_no_memory_on_the_device() -> None:
    raise torch.OutOfMemoryError("CUDA error")


class OutsideFaces(GeneratedFaces):
    """A source of another package, whose images cannot be read."""

    kind: Literal["outside"] = "outside"  # type: ignore[assignment]
    fail: str

    def open(self, request: ReadRequest) -> ImageSource:
        source = super().open(request)

        def images(split: str) -> Iterator[Any]:
            globals()[self.fail]()
            yield from ()

        source.images = images  # type: ignore[method-assign]
        return source


class OutsideBackbone(Backbone):
    """A network of another package; its layer runs ``module.forward``."""

    def draw_parameters(self, generator: torch.Generator) -> None:
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.1, generator=generator)


class Layer(nn.Module):
    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.run = run

    def forward(self, features: Tensor) -> Tensor:
        return self.run(features)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    with patch.dict(SOURCES), patch.dict(BACKBONES):
        register_source(OutsideFaces)
        yield


def config(source: dict[str, Any] | None = None, **sections: Any) -> TrialConfig:
    images = {"train_images": 48, "validation_images": 16, "test_images": 16}
    return TrialConfig.model_validate(
        {
            "data": {"source": {"kind": "generated", **images, **(source or {})}, "tasks": ("Hat",), "image_size": 48},
            "network": {"backbone": "simplenet", "width": 0.0625},
            "optimization": {"epochs": 1, "steps_per_epoch": 3},
            "compute": {"device": "cpu"},
            **sections,
        }
    )


def failure_of(trial: TrialConfig, folder: Path) -> Event:
    """Return the failure that a worker journals for the trial."""
    data = {"source": {"kind": "generated"}, "tasks": ["Hat"], "image_size": 48}
    definition = {"name": "failing", "data": data, "network": {"width": 0.0625}, "space": {"blocks": [{}]}}
    plan = compile_plan(StudyDefinition.model_validate(definition))
    planned = plan_trial(plan, plan.arms[0], stage="tune", round_=0, index=0, nuisance={}, train_seed=0)
    event = planned.planned_event("failing") | {
        "config": trial.model_dump(mode="json"),
        "data_fingerprint": data_fingerprint(trial.data, trial.data_seed),
    }
    order = WorkOrder(str(folder), event, None, "triplet_accuracy", "query")
    with suppress(TrialFailedError):
        execute(order)
    state = read_state(RunFolder(folder).trial(order.trial_id).journal)
    assert state is not None
    (failure,) = state.history.failures
    return failure


@pytest.mark.parametrize(
    ("fail", "kind", "message", "passes"),
    [
        (forget_a_column, "data", "KeyError: 'picture'", False),
        (lose_the_connection, "data", "the storage went away", True),
        (allocate_an_array, "out_of_memory", "Unable to allocate", True),
        (fill_the_disk, "disk_full", "No space left on device", True),
    ],
)
def test_a_source_from_outside_that_fails(
    fail: Callable[[], None], kind: str, message: str, passes: bool, tmp_path: Path
) -> None:
    failure = failure_of(config({"kind": "outside", "fail": fail.__name__}), tmp_path)
    assert failure["kind"] == kind, failure["traceback"]
    assert message in failure["message"]
    assert fail.__name__ in failure["traceback"], "the source's own error is the cause"
    assert may_pass(failure) == passes


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (forget_a_column, "crashed"),
        (allocate_a_tensor, "out_of_memory"),
        (find_no_memory_for_cublas, "out_of_memory"),
        (find_no_memory_on_the_device, "out_of_memory"),
    ],
)
def test_a_network_from_outside_that_fails(fail: Callable[[], None], kind: str, tmp_path: Path) -> None:
    """Whatever its module is called: names decide nothing."""
    module = types.ModuleType("trainables.data.of_somebody")
    module.__dict__["fail"] = fail
    code = "def forward(features):\n    if features.device.type != 'meta':\n        fail()\n    return features\n"
    exec(compile(code, "of_somebody.py", "exec"), module.__dict__)  # noqa: S102

    def broken(*_: object) -> Backbone:
        layers = (nn.Conv2d(3, 4, 1), Layer(module.forward), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return OutsideBackbone(nn.ModuleDict({"all": nn.Sequential(*layers)}), (StageShape("all", 4, 1, 1),))

    register_backbone("broken", broken)
    failure = failure_of(config(network={"backbone": "broken"}), tmp_path)
    assert failure["kind"] == kind, failure["traceback"]
    assert "of_somebody.py" in failure["traceback"]


def test_a_trial_that_diverges(tmp_path: Path) -> None:
    steep = {"optimizer": "sgd", "learning_rate": 1e30, "schedule": "constant", "epochs": 1, "steps_per_epoch": 4}
    failure = failure_of(config(optimization=steep), tmp_path)
    assert failure["kind"] == "diverged", failure["traceback"]
    assert "not finite" in failure["message"]


def test_every_kind_in_the_tables_has_one_source() -> None:
    """The driver journals the end of workers that could not; without a type an error is a crash."""
    (kinds,) = (column.allowed for column in TABLES["failures"].columns if column.name == "kind")
    typed = [failure.kind for failure in TrialFailure.__subclasses__()]
    by_the_driver = set(get_args(get_type_hints(Loss)["kind"]))
    assert {*typed, *by_the_driver, "crashed"} == set(kinds)
    assert by_the_driver & set(typed) == {"out_of_memory"}  # which may end the worker before it can say so


def test_a_data_error_is_a_value_error_with_its_cause() -> None:
    with pytest.raises(ValueError, match=r"^KeyError: 'picture'$") as caught, reading_data():
        forget_a_column()
    assert isinstance(caught.value, DataError)
    assert isinstance(caught.value.__cause__, KeyError)
