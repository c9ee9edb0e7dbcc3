"""What the GPU benchmarks share: the device, the trial that is trained, and the line that names the card."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from trainables.config.trial import TrialConfig
from trainables.sources.faces.attributes import FACE_TASKS
from trainables.training.runtime import computed_by

EAGER = {"graph": "never", "data_on_device": "never"}
"""Steps that are prepared ahead but not captured, and whose images come from the host."""

Settings = dict[str, Any]


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the size of a trial; the defaults are those of the measurements in ``docs/gpu.md``."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu runs the logic, for no figure")
    made.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="bf16")
    made.add_argument("--deterministic", action=argparse.BooleanOptionalAction, default=True)
    made.add_argument("--tasks", type=int, default=7)
    made.add_argument("--images", type=int, default=64, help="per step")
    made.add_argument("--size", type=int, default=64, help="pixels a side")
    made.add_argument("--width", type=float, default=0.5, help="of simplenet")
    return made


def announce(options: argparse.Namespace) -> None:
    """Print what the figures are of.

    Raises:
        SystemExit: the device is missing; says the way out.
    """
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("this benchmark needs a GPU that CUDA can use; --device cpu runs its logic without one")
    found = computed_by(options.device)
    card = ", ".join([found.pop("gpu", "CPU: these figures say nothing of a GPU"), *map(" ".join, found.items())])
    shape = f"{options.tasks} tasks, {options.images} images of {options.size} px, width {options.width:g}"
    kernels = "" if options.deterministic else ", any kernels"
    print(f"{card}; {options.precision}{kernels}, {shape}", flush=True)


def trial(options: argparse.Namespace, compute: Settings | None = None, **sections: Settings) -> TrialConfig:
    """Return the configuration of a trial on generated faces, with other settings in some sections."""
    values: Settings = {
        "data": {
            "source": {"kind": "generated", "train_images": 2048, "validation_images": 512, "test_images": 64},
            "tasks": list(FACE_TASKS)[: options.tasks],
            "image_size": options.size,
        },
        "network": {"width": options.width, "batch_norm_momentum": 0.05},
        "batches": {"batch_size": options.images},
        "compute": {**_compute(options), **(compute or {})},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    return TrialConfig.model_validate(values)


def _compute(options: argparse.Namespace) -> Settings:
    return {"device": options.device, "precision": options.precision, "deterministic": options.deterministic}


def counts(text: str) -> list[int]:
    """Read a comma-separated list of counts."""
    return [int(part) for part in text.split(",")]
