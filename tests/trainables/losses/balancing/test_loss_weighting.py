"""Weightings against TorchJD's and against the formula written out."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchjd.scalarization import DWA, FAMO

from trainables.losses.balancing import BALANCERS, StepLoss
from trainables.losses.balancing.loss_weighting.dwa import widest_float
from trainables.losses.triplet import TripletLoss


def step_loss(values, valid=(4, 4, 4)):
    """Losses as they are, of which ``valid`` says who is present."""
    counts = torch.tensor(valid)
    values = values * (counts > 0)
    return StepLoss(TripletLoss(values.sum() / (counts > 0).sum().clamp_min(1), values, counts, counts))


def test_uncertainty_is_the_formula(balancer):
    found = balancer("uncertainty")
    with torch.no_grad():
        found.log_variances.copy_(torch.tensor([0.5, -1.0, 2.0]))
    x, s = (torch.tensor(values, requires_grad=True) for values in ([1.0, 2.0, 3.0], [0.5, -1.0, 2.0]))
    literal = sum(torch.exp(-s[t]) * x[t] ** 2 + s[t] for t in (0, 2)) / 2
    literal.backward()
    y = x.detach().clone().requires_grad_()
    weights = found.backward(step_loss(y**2, (4, 0, 4)), 0)
    torch.testing.assert_close(y.grad, x.grad)
    torch.testing.assert_close(found.log_variances.grad, s.grad)
    assert weights.tolist() == pytest.approx([np.exp(-0.5) / 2, 0, np.exp(-2) / 2])


def test_log_variances_are_trained_without_decay_and_not_saved(learner):
    trained = learner("uncertainty", optimization={"weight_decay": 0.1})
    (parameter,) = trained.balancer.parameters()
    groups = [any(each is parameter for each in group["params"]) for group in trained.optimizer.param_groups]
    assert [
        group["weight_decay"] for group, inside in zip(trained.optimizer.param_groups, groups, strict=True) if inside
    ] == [0]
    trained.run_epoch(1)
    assert (parameter != 0).all()
    assert not any(value is parameter for value in trained.model.parameters())


def test_famo_is_that_of_torchjd(balancer):
    found, reference = balancer("famo"), FAMO(3)
    ours, theirs = (torch.tensor([1.0, 2.0, 3.0], requires_grad=True) for _ in range(2))
    scales = torch.tensor([0.1, 1.0, 0.02])
    for step in range(6):
        ours.grad = theirs.grad = None
        current = step_loss(scales * ours**2)
        weights = found.backward(current, step)
        reference(scales * theirs**2).backward()
        torch.testing.assert_close(ours.grad, theirs.grad)
        assert weights.sum().item() == pytest.approx(1)
        with torch.no_grad():
            ours -= 0.3 * ours.grad
            theirs -= 0.3 * theirs.grad
        found.after_step(current, partial(torch.mul, scales, ours.detach() ** 2))
        reference.update(scales * theirs**2)
        torch.testing.assert_close(found._logits.detach(), reference._w.detach())


def test_famo_looks_at_the_batch_again_without_a_trace(learner):
    trained = learner("famo")
    trained.model.train()
    batch = next(iter(trained.batches.epoch()))
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    losses = trained._step.losses_again(trained.data_of(batch), trained.steps_done)
    assert all(torch.equal(value, before[name]) for name, value in trained.model.state_dict().items())
    assert not losses.requires_grad
    torch.testing.assert_close(losses, trained.loss(batch).triplets.per_task.detach())


def test_dwa_is_that_of_torchjd_with_sum_one(balancer):
    found, reference = balancer("dwa"), DWA(2.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        for step in range(3):
            values = torch.rand(3, generator=generator) + 0.1
            ours, theirs = (values.clone().requires_grad_() for _ in range(2))
            found.backward(step_loss(ours), step)
            reference(theirs).backward()
            torch.testing.assert_close(3 * ours.grad, theirs.grad)
        found.end_epoch()
        reference.step()


def test_dwa_averages_over_the_steps_in_which_a_task_was_present(balancer):
    found = balancer("dwa")
    values = torch.tensor([1.0, 2.0, 4.0])
    found.weights(step_loss(values), 0)
    found.weights(step_loss(values * 3, (4, 0, 4)), 1)
    found.end_epoch()
    assert found.means[-1].tolist() == [2.0, 2.0, 8.0]


def test_torchjd_has_no_absent_tasks_and_no_state_to_resume_from():
    """Why DWA and FAMO are our own: once these fail, the library may serve."""
    dwa, famo = DWA(2.0), FAMO(3)
    dwa(torch.tensor([1.0, 2.0, 4.0]))
    dwa(torch.tensor([3.0, 0.0, 12.0]))  # the second task is absent
    dwa.step()
    assert dwa._previous_averages[0].tolist() == [2.0, 1.0, 8.0]  # it was 2.0 in the one step that had it
    losses = torch.tensor([1.0, 0.0, 4.0], requires_grad=True)
    famo(losses).backward()
    assert losses.grad[1] > 0.99  # all of the step goes to the absent task
    famo.update(torch.tensor([0.9, 0.0, 3.9]))
    assert list(dwa.state_dict()) == []
    assert list(famo.state_dict()) == ["_w", "min_losses"]  # Adam's moments are missing


def test_random_weights_are_a_softmax_of_draws_of_the_step(balancer):
    values = step_loss(torch.ones(3), (4, 0, 4))
    weights = [balancer("rlw").weights(values, step) for step in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert weights[0][1] == 0
    assert weights[0].sum().item() == pytest.approx(1)


def test_gradnorm_is_the_algorithm(learner):
    """Chen et al. 2018, algorithm 1, with the weights' gradient by automatic differentiation."""
    trained = learner("gradnorm", balancing={"gradnorm_alpha": 1.5}, optimization={"learning_rate": 0.05})
    trained.model.train()
    layer = next(each for each in trained.model.members[0].backbone.stages["fc"].parameters() if each.ndim > 1)
    w = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.025)
    first = None
    for batch in list(trained.batches.epoch()) + list(trained.batches.epoch()):
        losses = trained.loss(batch).triplets.per_task
        first = losses.detach() if first is None else first
        norms = torch.stack(
            [torch.autograd.grad(w[t] * losses[t], layer, create_graph=True)[0].norm() for t in range(3)]
        )
        ratio = losses.detach() / first
        target = (norms.mean() * (ratio / ratio.mean()) ** 1.5).detach()
        (w.grad,) = torch.autograd.grad((norms - target).abs().sum(), w)
        expected = w.detach() / 3
        optimizer.step()
        with torch.no_grad():
            w *= 3 / w.sum()
        torch.testing.assert_close(trained.take_step(batch).weights, expected)
        torch.testing.assert_close(trained.balancer._weights, w.detach(), rtol=1e-4, atol=1e-5)
    assert (w - 1).abs().max() > 0.01


@pytest.mark.parametrize("method", BALANCERS)
def test_a_task_without_a_triplet_is_left_out(learner, method):
    trained = learner(method, absent=[1])
    metrics = [trained.run_epoch(epoch) for epoch in (1, 2, 3)]
    weights = {name for name in metrics[-1] if name.startswith("balancing/weight/")}
    named = {"balancing/weight/colour", "balancing/weight/size"}
    assert weights == (set() if method in {"equal", "graddrop"} else named)
    assert all(parameter.isfinite().all() for parameter in trained.model.parameters())
    (vectors,) = trained.model.members[0].modulations.parameters()
    assert (vectors[1] == 1).all()
    assert (vectors[[0, 2]] != 1).any(dim=1).all()


@pytest.mark.parametrize("method", BALANCERS)
def test_a_step_without_any_triplet_moves_nothing(learner, method):
    trained = learner(method, absent=[0, 1, 2])
    trained.model.train()
    before = [parameter.clone() for parameter in trained.model.parameters()]
    trained.take_step(next(iter(trained.batches.epoch())))
    assert all(torch.equal(old, new) for old, new in zip(before, trained.model.parameters(), strict=True))
    assert functional.relu(trained.model.members[0].modulations["fc"].vectors).isfinite().all()


@pytest.mark.parametrize("method", ["famo", "gradnorm"])
def test_a_step_without_any_triplet_teaches_the_weights_nothing(learner, method):
    """Neither the weights nor Adam's moments and step count move, in the first step or later."""
    trained = learner(method)
    trained.model.train()
    labels = trained._labels.clone()
    for absent in (True, False, True):
        trained._labels.copy_(torch.full_like(labels, -1) if absent else labels)
        before = copy.deepcopy(trained.balancer.state_dict())
        trained.take_step(next(iter(trained.batches.epoch())))
        same = repr(before) == repr(trained.balancer.state_dict())
        assert same == absent


@pytest.mark.parametrize("method", ["famo", "gradnorm"])
def test_a_state_is_loaded_into_the_same_memory(learner, method):
    """A captured step refers to it. Before their first step, older versions saved no state of Adam."""
    trained, other = learner(method), learner(method)
    trained.run_epoch(1)
    state = other.balancer._optimizer._state()
    places = {name: value.data_ptr() for name, value in state.items()}
    for loaded in (trained.balancer.state_dict(), {**trained.balancer.state_dict(), "optimizer": {"state": {}}}):
        other.balancer.load_state_dict(loaded)
        moments = loaded["optimizer"]["state"].get(0, {name: torch.zeros(()) for name in state})
        assert all((state[name] == moments[name]).all() for name in state)
    assert {name: value.data_ptr() for name, value in other.balancer._optimizer._state().items()} == places


def test_dwa_counts_in_float64_where_there_is_one(balancer):
    assert balancer("dwa").sums.dtype == torch.float64
    assert widest_float(torch.device("mps")) == torch.float32
