"""Trains one fully shared model and measures inter-task affinity during training. The model is discarded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.diagnostics.affinity import NanMean, StepAffinity
from trainables.diagnostics.affinity_probe import AffinityProbe
from trainables.failures import DivergedError
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

Floats = NDArray[np.float64]

Progress = Callable[[int, int], None]
"""Called after each step with the number of steps done and the total number of steps."""


@dataclass(frozen=True)
class PilotAffinity:
    """Means over the measured steps; rows and columns are in the order of the configuration's tasks.

    Attributes:
        affinity: (T, T), ``[i, j]``: the mean of Z(i -> j), see ``trainables.diagnostics.affinity``.
        cosine: (T, T): the mean cosine between gradients over all shared weights.
        stage_cosine: The same by stage; NaN if the gradients of a stage were zero in all measured steps.
        steps: Number of steps of the pilot.
        measured: Number of measured steps.
    """

    affinity: Floats
    cosine: Floats
    stage_cosine: dict[str, Floats]
    steps: int
    measured: int


def run_affinity_pilot(config: TrialConfig, *, cache: Path, every_steps: int, progress: Progress) -> PilotAffinity:
    """Train the shared model of ``config`` to the end; before every ``every_steps``-th step, measure on its batch.

    Measuring does not change the training. On the CPU, the same configuration gives bit-identical numbers.

    Args:
        config: One network without modulation for at least two tasks.
        cache: Decoded images, shared with all trials on the node.
        every_steps: Number of steps between measurements; the first is at step ``every_steps``.
        progress: Called after each step.

    Raises:
        DivergedError: a loss is not finite.
        ValueError: the configuration does not fit the data or the machine, has only one task or a model that is not
            shared, no step would be measured, or two tasks never had losses in the same measured batch.
    """
    tasks = config.data.tasks
    if len(tasks) < 2:
        raise ValueError(f"affinity needs at least two tasks, got {list(tasks)}")
    dataset = prepare_dataset(config.data, config.data_seed, cache)
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, dataset.splits["train"], runtime)
        probe = AffinityProbe(config, dataset.splits["train"], runtime)
        steps = config.optimization.epochs * learner.batches.steps_per_epoch
        if not 1 <= every_steps <= steps:
            raise ValueError(
                f"every_steps (--every-steps): should be from 1 to {steps}, the steps of training, got {every_steps}"
            )
        means = _Means(len(tasks))
        learner.model.train()
        for _ in range(config.optimization.epochs):
            for batch in learner.batches.epoch():
                if (learner.steps_done + 1) % every_steps == 0:
                    means.add(probe.measure(learner.model, batch, learner.learning_rate))
                _check_finite(learner.take_step(batch).total, learner.steps_done)
                progress(learner.steps_done, steps)
    means.check_complete(tasks)
    return means.result(steps)


class _Means:
    """Running means of the measurements."""

    def __init__(self, tasks: int) -> None:
        self._shape = (tasks, tasks)
        self._affinity, self._cosine = NanMean(self._shape), NanMean(self._shape)
        self._stages: dict[str, NanMean] = {}
        self._measured = 0

    def add(self, step: StepAffinity) -> None:
        self._measured += 1
        self._affinity.add(step.affinity)
        self._cosine.add(step.cosine)
        for stage, cosine in step.stage_cosine.items():
            self._stages.setdefault(stage, NanMean(self._shape)).add(cosine)

    def check_complete(self, tasks: tuple[str, ...]) -> None:
        """Refuse means that lack a pair of tasks, since no grouping can be derived from them."""
        for means in (self._affinity, self._cosine):
            missing = (means.counts == 0).nonzero().tolist()
            if missing:
                first, second = (tasks[place] for place in missing[0])
                raise ValueError(
                    f"tasks {first!r} and {second!r} had no losses together in the {self._measured} measured batches;"
                    " measure more steps or use larger batches"
                )

    def result(self, steps: int) -> PilotAffinity:
        return PilotAffinity(
            self._affinity.mean().numpy(),
            self._cosine.mean().numpy(),
            {stage: means.mean().numpy() for stage, means in self._stages.items()},
            steps,
            self._measured,
        )


def _check_finite(loss: torch.Tensor, step: int) -> None:
    if not bool(loss.isfinite()):
        raise DivergedError(f"the loss is not finite in step {step}: a lower learning rate may help")
