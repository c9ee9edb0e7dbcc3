"""K trials in training as one model, advanced one epoch at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.failures import DivergedError
from trainables.foundation.pulse import beat
from trainables.fused.optimizers import NUMBERS, numbers_of_step, stacked_optimizer
from trainables.fused.stack import StackedModel
from trainables.fused.step import Stacked, UnitStep
from trainables.losses.balancing import BalancingSetup, build_balancer
from trainables.losses.balancing.balancer import ScalarBalancer
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.sampling.batch import TrainingLabels
from trainables.sampling.batches import build_batches
from trainables.training.checkpoint import Checkpoint
from trainables.training.learner import check_finite, decayed_and_undecayed, rate_factors
from trainables.training.optimization import build_optimizer, optimizer_state, rate_of_step, schedule_factor
from trainables.training.runtime import Runtime
from trainables.training.step_record import epoch_metrics
from trainables.training.steps.ahead import InputsAhead, draw_epoch
from trainables.training.steps.capture import CapturedWork, why_not_static
from trainables.training.steps.images import ResidentImages, StepImages, step_images
from trainables.training.steps.records import RecordBuffer

_log = logging.getLogger(__name__)


class FusedLearner:
    """The state that training changes, of all members, and the epochs.

    What a member computes depends on its own slice of every tensor, on its own streams and on K. A member whose numbers
    are no longer finite keeps its slot and touches no other.

    Attributes:
        steps_done: Optimization steps since the start of the trials, which are always at the same step.
    """

    def __init__(self, configs: Sequence[TrialConfig], split: Split, runtime: Runtime) -> None:
        """Build the members, one in each slot; they differ in what ``fusible.VARYING`` allows."""
        self.steps_done = 0
        self._configs, self._common, self._runtime = tuple(configs), configs[0], runtime
        self._shell = runtime.place(build_model(self._common))
        self._shown: tuple[int, int] | None = None
        self._changes = 0
        self._balancers = [
            cast(
                "ScalarBalancer",
                build_balancer(self._shell, BalancingSetup(each.balancing, each.train_seed, each.data.image_size)),
            )
            for each in configs
        ]
        self._stack = self._stacked()
        self._optimizer = stacked_optimizer(
            self._stack.trained, [each.optimization for each in configs], self._rate_factors()
        )
        stacked = Stacked(self._stack, self._shell, self._balancers, self._optimizer)
        self._step = UnitStep(configs, stacked, runtime)
        labels = np.array(split.labels)
        training = TrainingLabels(self._common.data.tasks, labels, split.triplets)
        steps = self._common.optimization.steps_per_epoch
        self._batches = [build_batches(each.batches, training, each.train_seed, steps) for each in configs]
        for batches in self._batches:
            batches.steps_per_epoch = self._common.optimization.steps_taken(batches.steps_per_epoch)
        self._images, self._labels = split.images, torch.from_numpy(labels).to(runtime.device)
        self._numbers = torch.zeros(
            self._batches[0].steps_per_epoch, NUMBERS, dtype=self._optimizer.numbers.dtype, device=runtime.device
        )
        self._inputs: list[InputsAhead] = []
        self._buffers: list[RecordBuffer] = []
        self._work = self._new_work()

    def _stacked(self) -> StackedModel:
        """Stack the members' models, and let their balancing methods train their slices."""
        decayed, undecayed = decayed_and_undecayed(self._shell)
        names = {id(parameter): name for name, parameter in self._shell.named_parameters()}
        others = {names[id(each)]: each.detach() for each in undecayed if each.requires_grad}
        balanced = {f"balancing.{number}": each.detach() for number, each in enumerate(self._balancers[0].parameters())}
        stack = StackedModel(self._shell, len(self._configs), decayed, {**others, **balanced})
        stack.write(0, self._shell)
        for slot, config in enumerate(self._configs[1:], start=1):
            stack.write(slot, build_model(config))
        for slot, balancer in enumerate(self._balancers):
            for number, parameter in enumerate(balancer.parameters()):
                leaf = stack.trained.leaves[f"balancing.{number}"]
                parameter.data, parameter.grad = leaf.detach()[slot], cast("Tensor", leaf.grad)[slot]
        return stack

    def _rate_factors(self) -> dict[str, list[float]]:
        """Return the factors of the members' learning rates by name of the parameter."""
        names = {id(parameter): name for name, parameter in self._shell.named_parameters()}
        factors = [rate_factors(self._shell, config) for config in self._configs]
        return {names[id(parameter)]: [each[parameter] for each in factors] for parameter in factors[0]}

    def _new_work(self) -> CapturedWork:
        wanted = self._runtime.device.type == "cuda" and self._common.compute.graph == "auto"
        obstacle = why_not_static(self._common, self._shell, type(self._balancers[0]))
        if wanted and obstacle is not None:
            _log.info("the step is not captured as a CUDA graph: %s", obstacle)
        return CapturedWork(self._runtime.device, capture=wanted and obstacle is None)

    def run_epoch(self, epoch: int) -> list[dict[str, float] | DivergedError]:
        """Take the steps of one epoch; return each member's metrics, or how it failed."""
        self._shell.train()
        first_step = self.steps_done
        beat()
        for _ in self._steps():
            beat()
        taken = self.steps_done - first_step
        self._changes += 1
        for balancer in self._balancers:
            balancer.end_epoch()
        return [self._summary(slot, epoch, first_step, taken) for slot in range(len(self._configs))]

    def endless_steps(self) -> Iterator[None]:
        """Take one step of all members per iteration, epoch after epoch, as ``run_epoch`` takes them; for timing."""
        while True:
            yield from self._steps()

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch of each member."""
        return self._batches[0].steps_per_epoch

    def _steps(self) -> Iterator[None]:
        """Take the steps of the next epoch, one per iteration."""
        self._start_epoch()
        while all(inputs.prepare() for inputs in self._inputs):
            self._work.do(self._take_one)
            self.steps_done += 1
            yield

    def _start_epoch(self) -> None:
        """Draw the steps of all members ahead and copy them to the device."""
        of_members = zip(self._batches, self._configs, self._balancers, strict=True)
        drawn = [
            draw_epoch(list(batches.epoch()), config, balancer, self.steps_done, batches.steps_per_epoch)
            for batches, config, balancer in of_members
        ]
        if not self._inputs:
            images = self._step_images(drawn[0].rows.shape[1])
            self._inputs = [
                InputsAhead(each, self._labels, own, self._numbers.dtype)
                for each, own in zip(drawn, images, strict=True)
            ]
        for inputs, each in zip(self._inputs, drawn, strict=True):
            inputs.start(each)
        settings, steps = self._common.optimization, len(self._numbers)
        self._numbers.copy_(
            torch.tensor(
                [
                    numbers_of_step(schedule_factor(settings, step, steps), step + 1)
                    for step in range(self.steps_done, self.steps_done + steps)
                ],
                dtype=self._numbers.dtype,
            )
        )

    def _step_images(self, batch: int) -> list[StepImages]:
        """Return the pixels of each member's steps; images that are on the device are there once."""
        compute, device = self._common.compute, self._runtime.device
        first = step_images(self._images, batch, compute, device)
        if isinstance(first, ResidentImages):
            return [first for _ in self._configs]
        return [first, *(step_images(self._images, batch, compute, device) for _ in self._configs[1:])]

    def _take_one(self) -> None:
        """Take the step at the place: all that a graph holds."""
        place = self._inputs[0].place
        data = [inputs.data() for inputs in self._inputs]
        records = self._step.take(data, self._numbers.index_select(0, place).squeeze(0), self.steps_done)
        if not self._buffers:
            self._buffers = [RecordBuffer(len(self._numbers), record) for record in records]
        for buffer, record, inputs in zip(self._buffers, records, self._inputs, strict=True):
            buffer.write(inputs.place, record)
        for inputs in self._inputs:
            inputs.advance()

    def _summary(self, slot: int, epoch: int, first_step: int, taken: int) -> dict[str, float] | DivergedError:
        try:
            check_finite(self._buffers[slot].finite(0, taken), epoch, 0)
        except DivergedError as failure:
            return failure
        settings = self._configs[slot].optimization
        rate = rate_of_step(settings, first_step, len(self._numbers))
        return {
            "optimization/learning_rate": rate,
            **epoch_metrics(self._buffers[slot].read(taken), self._common.data.tasks),
        }

    def shown(self, slot: int) -> MultiTaskModel:
        """Return the one model of the unit, with the current weights of a slot."""
        if self._shown != (slot, self._changes):
            self._stack.read(slot, self._shell)
            self._shown = slot, self._changes
        return self._shell

    def state_of(self, slot: int) -> dict[str, Any]:
        """Return a member's state in the format of a trial trained alone."""
        config, balancer = self._configs[slot], self._balancers[slot]
        decayed, undecayed = decayed_and_undecayed(self._shell)
        factors = rate_factors(self._shell, config)
        undecayed += balancer.parameters()
        alone = optimizer_state(build_optimizer(config.optimization, decayed, undecayed, factors))
        return {
            "step": self.steps_done,
            "model": {name: tensor.clone() for name, tensor in self.shown(slot).state_dict().items()},
            "optimizer": {**alone, "state": self._optimizer.member_state(slot, self.steps_done)},
            "sampler": self._batches[slot].state_dict(),
            "balancer": _cloned(balancer.state_dict()),
        }

    def load_state_of(self, slot: int, found: Checkpoint) -> None:
        """Set a member's state; all members that go on must be given states of the same step."""
        self.steps_done = found.step
        self._shell.load_state_dict(found.model)
        self._keep_shown(slot)
        self._optimizer.load_member_state(slot, found.optimizer["state"])
        self._batches[slot].load_state_dict(found.sampler)
        self._balancers[slot].load_state_dict(found.balancer)

    def load_weights_of(self, slot: int, tensors: Mapping[str, Tensor]) -> None:
        """Set a member's stored weights."""
        self._shell.load_stored_state(tensors)
        self._keep_shown(slot)

    def _keep_shown(self, slot: int) -> None:
        """Copy the unit's one model, as it is, into a slot."""
        self._stack.write(slot, self._shell)
        self._changes += 1
        self._shown = slot, self._changes


class Slot:
    """A member of a fused learner, as a trial sees it (``trial.Trained``)."""

    def __init__(self, learner: FusedLearner, slot: int) -> None:
        self._learner = learner
        self._slot = slot

    @property
    def model(self) -> MultiTaskModel:
        """The unit's model with the weights of this member, until another member's is asked for."""
        return self._learner.shown(self._slot)

    def state(self) -> dict[str, Any]:
        """Return the fields of a ``Checkpoint``."""
        return self._learner.state_of(self._slot)

    def load_state(self, found: Checkpoint) -> None:
        """Resume from a ``state``."""
        self._learner.load_state_of(self._slot, found)

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the stored weights of a finished trial."""
        self._learner.load_weights_of(self._slot, tensors)


def _cloned(state: Any) -> Any:
    """Return a state whose tensors are no views of the unit's."""
    if isinstance(state, Tensor):
        return state.clone()
    return {name: _cloned(value) for name, value in state.items()} if isinstance(state, dict) else state
