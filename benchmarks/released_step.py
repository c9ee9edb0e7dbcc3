"""A training step of the released recipe, against the way of the CSN code.

    python -m benchmarks.released_step [--per-task 8] [--size 150] [--width 1.0] [--repeats 5]

Ours: 7 tasks x 8 triplets (168 slots) from the decoded array, one mixed forward pass. Peer: the same triplets read as
JPEG files from a folder and decoded one by one, as a loader worker does, and three separate passes for anchors, far and
close images, as CSN's ``tripletnet.py``. Same network, same optimizer, same losses, one thread each; computing time
of the process.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import interleave
from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.sampling.batch import Batch
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

TASKS = 7


def configuration(options: argparse.Namespace, passes: str) -> TrialConfig:
    """Return the released recipe with seven tasks."""
    tasks = [f"task{index}" for index in range(TASKS)]
    return TrialConfig.model_validate(
        {
            "data": {"tasks": tasks, "image_size": options.size, "preprocessing": "released"},
            "network": {"width": options.width},
            "modulation": {"points": ["res4", "res5", "fc"]},
            "batches": {"scheme": "triplets", "batch_size": 3 * TASKS * options.per_task, "passes": passes},
            "optimization": {"optimizer": "adagrad", "learning_rate": 0.01, "schedule": "released"},
            "compute": {"device": "cpu"},
        }
    )


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-task", type=int, default=8)
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    slots = 3 * TASKS * options.per_task
    draw = np.random.default_rng(0)
    # smooth noise, so that the files are of a photograph's size
    coarse = draw.integers(0, 256, (slots, options.size // 8 + 1, options.size // 8 + 1, 3), dtype=np.uint8)
    images = np.stack([np.asarray(Image.fromarray(one).resize((options.size, options.size))) for one in coarse])
    labels = np.stack([np.arange(slots) % 2] * TASKS, axis=1)
    task_index = torch.arange(TASKS).repeat_interleave(3 * options.per_task)
    batch = Batch(np.arange(slots), task_index)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{row:06d}.jpg" for row in range(slots)]
        for file, image in zip(files, images, strict=True):
            Image.fromarray(image).save(file, quality=95)
        mixed, separate = configuration(options, "mixed"), configuration(options, "separate")
        with trial_runtime(mixed.compute) as runtime:
            ours = Learner(mixed, Split(images, labels), runtime)
            read = images.copy()
            peer = Learner(separate, Split(read, labels), runtime)

            def step_of_peer() -> None:
                for row, file in enumerate(files):
                    with Image.open(io.BytesIO(file.read_bytes())) as opened:
                        read[row] = np.asarray(opened.convert("RGB"))
                peer.take_step(batch)

            print(interleave(lambda: ours.take_step(batch), step_of_peer, options.repeats, time.process_time))


if __name__ == "__main__":
    main()
