"""Mirrors a study to MLflow. MLflow is imported lazily, so that studies run without it installed."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from study.definition.tracking_address import StoreAddress, store_address
from study.errors import UserError
from study.session.target import Target, from_here

if TYPE_CHECKING:
    from study.tracking.background.process import MirrorProcess
    from study.tracking.mirror.writing import SyncReport
    from study.tracking.tracker import Tracker


_NOT_INSTALLED = (
    "MLflow is not installed; install it with: pip install mlflow, or run without it: --no-tracking"
    " (in Python: tracking=False)"
)


def tracker_of(target: Target) -> Tracker:
    """Return the tracker for a study's MLflow store.

    Raises:
        UserError: MLflow is not installed.
    """
    try:
        from study.tracking.tracker import Tracker
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mlflow":
            raise
        raise UserError(_NOT_INSTALLED) from None

    return Tracker(address_of(target), experiment_of(target))


def require_mlflow() -> None:
    """Ensure that MLflow is installed, without importing it: the driver of a run needs none of it.

    Raises:
        UserError: it is not.
    """
    try:
        found = importlib.util.find_spec("mlflow")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise UserError(_NOT_INSTALLED)


def experiment_of(target: Target) -> str:
    """Return the name of a study's experiment."""
    return target.definition.tracking.experiment or target.definition.name


def address_of(target: Target) -> StoreAddress:
    """Return the address of a study's MLflow store."""
    return store_address(target.folder, target.definition.tracking.uri)


def sync_run(target: Target) -> SyncReport:
    """Sync MLflow with the run of a study.

    Raises:
        UserError: MLflow is not installed, or the store cannot be reached.
    """
    tracker = tracker_of(target)
    from study.tracking.errors import StoreError

    try:
        return tracker.sync(target.folder)
    except StoreError as error:
        raise UserError(str(error)) from error


@contextmanager
def mirrored(target: Target, *, tracking: bool) -> Iterator[MirrorProcess | None]:
    """Keep MLflow up to date while the block runs; without tracking, yield None and do nothing."""
    if not tracking:
        yield None
        return
    from study.tracking.background.process import MirrorProcess

    mirror = MirrorProcess(address_of(target), experiment_of(target), target.folder)
    mirror.start()
    try:
        yield mirror
    finally:
        mirror.stop()


def mlflow_command(target: Target) -> str:
    """Return the command that opens MLflow for the run of a study."""
    beside = Path(sys.executable).with_name("modstudy")  # the environment may not be activated
    program = "modstudy" if shutil.which("modstudy") or not beside.exists() else str(from_here(beside))
    return shlex.join([program, "ui", str(from_here(target.folder.path))])
