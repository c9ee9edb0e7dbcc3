from __future__ import annotations

import time

import pytest
import torch
from torch.nn.functional import normalize

from trainables.losses.triplet import _active_counts, _valid_pairs, batch_triplet_loss, triplet_margin_loss


def cube_loss(embeddings, labels, margin):
    """Every triplet of the cube, one task at a time: the obvious way."""
    losses, valid, active = [], [], []
    for task, values in enumerate(embeddings):
        distances = (values[:, None] - values[None]).square().sum(-1)
        classes = labels[:, task]
        known = classes >= 0
        same = (classes[:, None] == classes) & known[:, None] & known
        positive = same & ~torch.eye(len(classes), dtype=torch.bool)
        negative = (classes[:, None] != classes) & known[:, None] & known
        triplets = positive[:, :, None] & negative[:, None, :]
        hinge = (distances[:, :, None] - distances[:, None, :] + margin).clamp_min(0)[triplets]
        losses.append(hinge.sum() / max(1, len(hinge)))
        valid.append(len(hinge))
        active.append(int((hinge > 0).sum()))
    kept = sum(count > 0 for count in valid)
    return sum(losses) / max(1, kept), torch.stack(losses), valid, active


def random_case(seed, *, tasks=3, images=14, classes=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    embeddings = normalize(torch.randn(tasks, images, 5, generator=generator, dtype=dtype), dim=-1)
    return embeddings.requires_grad_(), torch.randint(-1, classes, (images, tasks), generator=generator)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0, 5.0])
def test_loss_gradient_and_counts_equal_the_cube(seed, margin):
    embeddings, labels = random_case(seed)
    found = batch_triplet_loss(embeddings, labels, margin)
    expected, per_task, valid, active = cube_loss(embeddings, labels, margin)
    torch.testing.assert_close(found.loss, expected)
    torch.testing.assert_close(found.per_task, per_task.detach())
    assert found.valid.tolist() == valid
    assert found.active.tolist() == active
    (gradient,) = torch.autograd.grad(found.loss, embeddings)
    (reference,) = torch.autograd.grad(expected, embeddings)
    torch.testing.assert_close(gradient, reference)
    torch.testing.assert_close(found.active_share, torch.tensor(active) / torch.tensor(valid))


def test_passes_gradcheck():
    embeddings, labels = random_case(11, images=8)
    assert torch.autograd.gradcheck(lambda values: batch_triplet_loss(values, labels, 0.2).loss, embeddings)


def test_float32_is_near_float64():
    embeddings, labels = random_case(1, images=60, dtype=torch.float32)
    found = batch_triplet_loss(embeddings, labels, 0.2).loss
    (gradient,) = torch.autograd.grad(found, embeddings)
    precise = embeddings.detach().double().requires_grad_()
    expected = batch_triplet_loss(precise, labels, 0.2).loss
    (reference,) = torch.autograd.grad(expected, precise)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient.double(), reference, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_triplets_exactly_on_the_margin_are_inactive(dtype):
    # places on a grid of quarters: distances and margin are exact, and many triplets lie on the margin
    generator = torch.Generator().manual_seed(5)
    embeddings = (torch.randint(0, 4, (2, 20, 2), generator=generator) / 4).to(dtype).requires_grad_()
    labels = torch.randint(0, 2, (20, 2), generator=generator)
    found = batch_triplet_loss(embeddings, labels, 0.25)
    expected, _, valid, active = cube_loss(embeddings, labels, 0.25)
    assert found.valid.tolist() == valid
    assert found.active.tolist() == active
    torch.testing.assert_close(found.loss, expected)
    (gradient,) = torch.autograd.grad(found.loss, embeddings)
    distances = (embeddings[:, :, None] - embeddings[:, None]).square().sum(-1)
    assert (distances[:, :, :, None] - distances[:, :, None, :] + 0.25 == 0).any()
    strict = torch.zeros_like(gradient)  # clamp's gradient at the kink is 1, so the strict one is written out
    for task in range(2):
        classes = labels[:, task]
        for a in range(20):
            for p in torch.nonzero((classes == classes[a]) & (torch.arange(20) != a)).flatten().tolist():
                for n in torch.nonzero(classes != classes[a]).flatten().tolist():
                    if distances[task, a, p] - distances[task, a, n] + 0.25 > 0:
                        x = embeddings.detach()[task]
                        strict[task, a] += 2 * (x[n] - x[p])
                        strict[task, p] += 2 * (x[p] - x[a])
                        strict[task, n] += 2 * (x[a] - x[n])
        strict[task] /= 2 * valid[task]
    torch.testing.assert_close(gradient, strict)


def test_collapsed_embeddings_cost_the_margin():
    found = batch_triplet_loss(normalize(torch.ones(2, 6, 4), dim=-1), torch.tensor([[0, 1]] * 3 + [[1, 0]] * 3), 0.2)
    assert found.loss == pytest.approx(0.2)
    assert found.active_share.tolist() == [1, 1]


def test_tasks_without_a_valid_triplet_do_not_count():
    embeddings, labels = random_case(2)
    labels[:, 1] = 4
    found = batch_triplet_loss(embeddings, labels, 0.2)
    expected, *_ = cube_loss(embeddings, labels, 0.2)
    torch.testing.assert_close(found.loss, expected)
    assert found.valid[1] == found.active[1] == found.per_task[1] == found.active_share[1] == 0
    labels[:] = -1
    nothing = batch_triplet_loss(embeddings, labels, 0.2)
    nothing.loss.backward()
    assert nothing.loss == 0
    assert (embeddings.grad == 0).all()


def test_gradient_of_one_task_stays_in_the_task():
    embeddings, labels = random_case(3)
    labels[:, :2] = -1
    batch_triplet_loss(embeddings, labels, 0.2).loss.backward()
    assert (embeddings.grad[:2] == 0).all()
    assert (embeddings.grad[2] != 0).any()


def test_given_triplets_equal_a_loop():
    generator = torch.Generator().manual_seed(0)
    embeddings = normalize(torch.randn(2 * 4 * 3, 6, generator=generator), dim=-1)
    found = triplet_margin_loss(embeddings, tasks=2, margin=0.2)
    hinge = []
    for a, p, n in embeddings.reshape(-1, 3, 6):
        hinge.append(max(0.0, float((a - p).square().sum() - (a - n).square().sum() + 0.2)))
    assert found.loss == pytest.approx(sum(hinge) / 8)
    assert found.per_task.tolist() == pytest.approx([sum(hinge[:4]) / 4, sum(hinge[4:]) / 4])
    assert found.valid.tolist() == [4, 4]
    assert found.active.sum() == sum(value > 0 for value in hinge)


@pytest.mark.parametrize("size", [0, 8, 9])
def test_slots_must_divide(size):
    with pytest.raises(ValueError, match=f"a batch of {size} does not divide into triplets of 2 tasks"):
        triplet_margin_loss(torch.zeros(size, 3), tasks=2, margin=0.2)


def test_distances_are_never_taken_in_bf16():
    embeddings, labels = random_case(1, images=30, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = batch_triplet_loss(embeddings, labels, 0.2).loss
    assert torch.equal(reduced, batch_triplet_loss(embeddings, labels, 0.2).loss)
    assert batch_triplet_loss(embeddings.bfloat16(), labels, 0.2).loss.dtype == torch.float32


def test_is_much_faster_than_the_cube():
    embeddings, labels = random_case(0, tasks=7, images=96, classes=2, dtype=torch.float32)
    times = {}
    for loss in (batch_triplet_loss, cube_loss):
        runs = []
        for _ in range(3):
            start = time.perf_counter()
            result = loss(embeddings, labels, 0.2)
            (result.loss if loss is batch_triplet_loss else result[0]).backward()
            runs.append(time.perf_counter() - start)
        times[loss] = min(runs)
    assert times[batch_triplet_loss] * 3 < times[cube_loss]


def test_counts_keep_the_memory_order_of_the_masks():
    """Sums over pairs run in memory order: another one would change the last bits of every loss on the CPU."""
    labels = torch.tensor([[0, 1], [0, 0], [1, 1], [1, 0]])
    positive, negative = _valid_pairs(labels)
    distances = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    assert not positive.is_contiguous()
    assert _active_counts(distances, positive, negative, 0.2)[0].stride() == positive.stride()
