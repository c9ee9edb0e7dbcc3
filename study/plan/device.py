"""The device on which a study trains: chosen once, from the resources asked for, and kept by its run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from study.definition.model import StudyDefinition
from trainables.config.runtime import Device


@dataclass(frozen=True)
class PlannedDevice:
    """The device of a study's trials.

    Attributes:
        kind: the device.
        cpu_in_ids: whether ids of trials hold the device ``cpu``. They do where the study file named it and the run was
            begun before plans held a device; such a run keeps its ids, and so its trials.
    """

    kind: Device
    cpu_in_ids: bool = False


ON_THE_CPU = PlannedDevice("cpu")


def no_gpus() -> float:
    """Return that there are none, where nobody is asked."""
    return 0.0


def chosen_device(
    definition: StudyDefinition, gpus: Callable[[], float] = no_gpus, kept: Device | None = None
) -> Device:
    """Return the device of the study's trials.

    ``compute.device`` decides where it names one, else the number ``resources.gpus``. Where both are ``auto``, a run
    goes on with the device it began with, and a new one takes the GPUs if there are any.

    Args:
        definition: the study.
        gpus: tells how many GPUs there are; called only if it matters.
        kept: the device with which the run began.
    """
    if definition.compute.device != "auto":
        return definition.compute.device
    if definition.resources.gpus != "auto":
        return "cuda" if definition.resources.gpus else "cpu"
    if kept is not None:
        return kept
    return "cuda" if gpus() else "cpu"


def recorded_device(document: Mapping[str, Any]) -> PlannedDevice:
    """Return the device in the content of ``plan.json``; without one, ``cpu`` unless the study file names another."""
    if "device" in document:
        return PlannedDevice(document["device"], cpu_in_ids=bool(document.get("cpu_in_ids", False)))
    named = document["definition"].get("compute", {}).get("device", "auto")
    return PlannedDevice("cpu" if named == "auto" else named, cpu_in_ids=named == "cpu")


def gpus_of_this_machine() -> float:
    """Return the GPUs of this machine that CUDA can use."""
    from trainables.training.runtime import gpus_here

    return float(gpus_here())
