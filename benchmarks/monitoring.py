"""What measuring ``update_agreement`` costs, against the same training without it.

    python -m benchmarks.monitoring [--tasks 7] [--every 5] [--steps 100] [--repeats 3]

Peer: epochs of the released late modulation on drawn images that are not measured. Printed is the share of training
time that measuring takes when one epoch in ``--every`` is measured.
"""

from __future__ import annotations

import argparse
from statistics import median

import numpy as np
import torch

from benchmarks.measure import seconds
from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.diagnostics.agreement_probe import AgreementProbe
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime


def main() -> None:
    """Print the share, median [lowest, highest]."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=7)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": [f"task{index}" for index in range(options.tasks)], "image_size": 64},
            "network": {"width": 0.25, "batch_norm_momentum": 0.05},
            "modulation": {"points": ["res4", "res5", "fc"]},
            "batches": {"batch_size": options.images},
            "optimization": {"steps_per_epoch": options.steps, "epochs": 100},
            "agreement": {"every_epochs": options.every},
            "compute": {"device": "cpu"},
        }
    )
    draw = np.random.default_rng(0)
    split = Split(draw.integers(0, 256, (600, 64, 64, 3), dtype=np.uint8), draw.integers(0, 3, (600, options.tasks)))
    shares = []
    with trial_runtime(config.compute) as runtime:
        learner, probe = Learner(config, split, runtime), AgreementProbe(config, split, runtime)
        learner.run_epoch(1)
        for repeat in range(options.repeats):
            epoch = seconds(lambda: learner.run_epoch(2 + repeat))  # noqa: B023 - called at once
            measuring = seconds(lambda: probe.end(learner.model, probe.begin(learner.model)))
            shares.append(measuring / (options.every * epoch))
    shown = f"{100 * median(shares):.2f} % [{100 * min(shares):.2f}, {100 * max(shares):.2f}]"
    print(f"one epoch of {options.steps} steps in {options.every} measured: {shown} of training")


if __name__ == "__main__":
    main()
