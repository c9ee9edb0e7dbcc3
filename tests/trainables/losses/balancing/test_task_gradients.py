"""The gradient methods on gradients of two numbers, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import atan2, cos, pi, sin

import numpy as np
import pytest
import torch
from torchjd.aggregation import MeanWeighting, UPGradWeighting

from trainables.losses.balancing import BALANCERS, BalancingSetup, build_balancer
from trainables.losses.balancing.task_gradients.dual_cone import NonNegativeProjector
from trainables.losses.balancing.task_gradients.gramian import Memoryless

OPPOSING = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
AGREEING = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
ORTHOGONAL = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
CONFLICTING = torch.tensor([[2.0, 0.0], [-1.0, 2.0]])


def setup_of(learner):
    config = learner._config
    return BalancingSetup(config.balancing, config.train_seed, config.data.image_size)


def combined(balancer, rows, step=0):
    return balancer.combine(rows, list(range(len(rows))), step)[0]


@pytest.mark.parametrize(
    ("method", "rows", "expected"),
    [
        ("pcgrad", OPPOSING, (0.25, 0.75)),  # ((0.5, 0.5) + (0, 1)) / 2
        ("gradvac", OPPOSING, (0.25, 0.75)),  # its first step, with no similarity known, is that of PCGrad
        ("upgrad", OPPOSING, (0.25, 0.75)),  # projections onto {x: x1 >= 0, x2 >= x1}: the same two points
        ("dualproj", OPPOSING, (0.0, 0.5)),  # the mean, which conflicts with none
        ("mgda", OPPOSING, (0.2, 0.4)),  # foot of the perpendicular from 0, at 3/5 and 2/5
        ("imtl_g", OPPOSING, (3 - 8**0.5, 2**0.5 - 1)),  # G^-1 (1, sqrt 2), scaled to sum 1
        ("pcgrad", AGREEING, (1.0, 0.5)),
        ("upgrad", AGREEING, (1.0, 0.5)),
        ("dualproj", AGREEING, (1.0, 0.5)),
        ("gradvac", AGREEING, (1.0, 0.5)),
        ("graddrop", AGREEING, (1.0, 0.5)),
        ("mgda", AGREEING, (1.0, 0.0)),  # the shorter one is the nearest point
        ("aligned_mtl", ORTHOGONAL, (0.5, 0.5)),  # both directions get the least singular value, 1; then the mean
        ("nash_mtl", ORTHOGONAL, (0.5**0.5 / 2, 0.5**0.5 / 2)),  # weights ~ 1 / norm; the sum has norm 1
        ("pcgrad", ORTHOGONAL, (1.0, 0.5)),  # nothing conflicts: the mean
        ("gradvac", ORTHOGONAL, (1.0, 0.5)),
        ("upgrad", ORTHOGONAL, (1.0, 0.5)),
        ("dualproj", ORTHOGONAL, (1.0, 0.5)),
        ("mgda", ORTHOGONAL, (0.4, 0.8)),  # weights ~ 1 / |g|^2: 1/5 and 4/5
        ("imtl_g", ORTHOGONAL, (2 / 3, 2 / 3)),  # weights ~ 1 / |g|: 1/3 and 2/3; both projections are 2/3
        ("imtl_g", AGREEING, (1.0, 2**0.5 - 1)),  # G^-1 (1, sqrt 2) = (2 - sqrt 2, sqrt 2 - 1), of sum 1
        # In all three the ball around the mean, of radius 0.4 |mean|, is too small for the worse-off task to overtake
        # the other one, so the step goes from the mean straight along that task's gradient.
        ("cagrad", OPPOSING, (0.2, 0.5)),  # mean (0, 0.5), where the first gains nothing; (1, 0) for 0.2
        ("cagrad", AGREEING, (1 + 0.4 * 1.25**0.5, 0.5)),  # mean (1, 0.5): gains 1 and 1.5; along (1, 0)
        ("cagrad", ORTHOGONAL, (1.0, 0.5 + 0.4 * 1.25**0.5)),  # mean (1, 0.5): gains 2 and 0.5; along (0, 1)
        # For two tasks G a = 1 / a means a1 |g1| = a2 |g2|: the step halves the angle, here 45 and 116.6 degrees. Its
        # norm sqrt 2 is held at 1 and divided by two tasks.
        ("nash_mtl", AGREEING, (0.5 * cos(pi / 8), 0.5 * sin(pi / 8))),
        ("nash_mtl", CONFLICTING, (0.5 * cos(atan2(2, -1) / 2), 0.5 * sin(atan2(2, -1) / 2))),
    ],
)
def test_known_steps(balancer, method, rows, expected):
    torch.testing.assert_close(combined(balancer(method), rows), torch.tensor(expected), rtol=0, atol=2e-3)


def test_nash_without_the_cap_solves_the_game(balancer):
    """G a = 1 / a means a_i = 1 / |g_i| where gradients are orthogonal."""
    found = combined(balancer("nash_mtl", balancing={"nash_max_norm": 0}), ORTHOGONAL)
    torch.testing.assert_close(found, torch.full((2,), 0.5), rtol=1e-3, atol=0)


def test_nash_keeps_its_weights_where_the_published_linearisation_divides_by_zero(balancer):
    """It starts from weights 1, where (G a)_1 = g1 . (g1 + g2) = 0: the step is (0, 1) / 2, not at 67.5 degrees."""
    torch.testing.assert_close(combined(balancer("nash_mtl"), OPPOSING), torch.tensor([0.0, 0.5]))


@pytest.mark.parametrize("c", [0.0, 0.4, 0.9])
def test_cagrad_is_the_best_worst_case_in_the_ball(balancer, c):
    """Seen from the primal: no direction within c |g0| of the mean g0 helps the worse-off task more."""
    found = combined(balancer("cagrad", balancing={"cagrad_c": c}), OPPOSING)
    mean = OPPOSING.mean(dim=0)
    angles = torch.linspace(0, 2 * torch.pi, 20001)
    radii = torch.linspace(0, 1, 11)[:, None, None] * c * mean.norm()
    points = (mean + radii * torch.stack([angles.cos(), angles.sin()], dim=1)).reshape(-1, 2)
    best = (points @ OPPOSING.T).min(dim=1).values.max()
    assert (found - mean).norm() <= c * mean.norm() + 1e-5
    assert (OPPOSING @ found).min() == pytest.approx(best.item(), abs=1e-4)


@pytest.mark.parametrize("method", sorted(set(BALANCERS) - {"nash_mtl"}))
def test_small_gradients_are_treated_like_large_ones(balancer, method):
    """Near the end of training squared norms are below the thresholds inside the library."""
    rows = torch.tensor([[1.0, 0.0, 0.2], [-0.7, 1.0, 0.1], [0.3, -0.2, 0.8]])
    if hasattr(balancer(method), "combine"):
        torch.testing.assert_close(
            combined(balancer(method), rows * 1e-5) * 1e5, combined(balancer(method), rows), rtol=1e-3, atol=1e-4
        )


def test_the_projector_equals_brute_force(balancer):
    generator = np.random.default_rng(3)
    for _ in range(5):
        rows = torch.from_numpy(generator.normal(size=(2, 3)))
        gramian = rows @ rows.T
        gramian = gramian / gramian.trace()
        target = torch.tensor([0.5, 0.5], dtype=torch.float64)
        found = NonNegativeProjector()(target, gramian)
        grid = torch.linspace(0, 3, 601, dtype=torch.float64)
        points = target + torch.cartesian_prod(grid, grid)
        costs = ((points @ gramian) * points).sum(dim=1)
        assert found @ gramian @ found <= costs.min() + 1e-3
        assert (found >= target - 1e-9).all()
    weights = UPGradWeighting(projector=NonNegativeProjector())(torch.eye(3) / 3)
    torch.testing.assert_close(weights, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("method", ["pcgrad", "gradvac", "graddrop"])
def test_what_is_random_hangs_on_seed_and_step_alone(balancer, method):
    rows = torch.tensor([[1.0, 0.0, 0.0], [-0.7, 1.0, 0.0], [-0.5, -0.6, 1.0]])
    before = torch.get_rng_state()
    results = [combined(balancer(method), rows, step) for step in (0, 1, 2, 3)]
    torch.rand(7)
    again = [combined(balancer(method), rows, step) for step in (0, 1, 2, 3)]
    torch.set_rng_state(before)
    assert all(torch.equal(first, second) for first, second in zip(results, again, strict=True))
    assert any(not torch.equal(results[0], other) for other in results[1:])
    combined(balancer(method), rows)
    assert torch.equal(torch.get_rng_state(), before)


def test_graddrop_keeps_one_sign(balancer):
    rows = torch.tensor([[1.0] * 50, [-3.0] * 50])
    found = combined(balancer("graddrop"), rows)
    assert set(found.tolist()) == {0.5, -1.5}


def test_no_solution_is_equal_weights_and_counted(learner):
    trained = learner("upgrad")
    broken = Memoryless(trained.model, setup_of(trained), lambda gramian: torch.linalg.cholesky(-gramian)[0])
    torch.testing.assert_close(combined(broken, OPPOSING), OPPOSING.mean(dim=0))
    assert broken.unsolved == 1
    trained.balancer.unsolved = 3
    assert trained.run_epoch(1)["balancing/unsolved_steps"] == 3
    assert trained.run_epoch(2)["balancing/unsolved_steps"] == 0


@pytest.mark.parametrize("method", [name for name in BALANCERS if name != "graddrop"])
@pytest.mark.parametrize("rows", [torch.zeros(2, 3), torch.tensor([[1.0, 0, 0], [0, 0, 0]]), AGREEING[[0, 0]]])
def test_degenerate_gradients_give_finite_steps(balancer, method, rows):
    found = balancer(method)
    if hasattr(found, "combine"):
        assert combined(found, rows).isfinite().all()


def test_not_a_number_is_passed_on_and_never_reaches_a_solver(balancer):
    for method in ("cagrad", "nash_mtl", "upgrad"):
        assert combined(balancer(method), torch.tensor([[1.0, 0.0], [torch.nan, 1.0]])).isnan().any()


@pytest.mark.parametrize("scheme", ["all_tasks", "triplets"])
@pytest.mark.parametrize("penalties", [{}, {"embedding_l2": 0.1, "mask_l1": 0.2}])
@pytest.mark.parametrize("groups", [None, (("colour",), ("shape", "size"))])
def test_mean_weights_equal_equal(learner, scheme, penalties, groups):
    settings = {"batches": {"scheme": scheme}, "loss": penalties} | ({"network_groups": groups} if groups else {})
    absent = [1] if scheme == "all_tasks" else []
    gradients = []
    for mean in (False, True):
        trained = learner(absent=absent, **settings)
        if mean:
            trained.balancer = Memoryless(trained.model, setup_of(trained), MeanWeighting())
        batch = next(iter(trained.batches.epoch()))
        weights = trained.balancer.backward(trained.loss(batch), 0)
        gradients.append({name: parameter.grad for name, parameter in trained.model.named_parameters()})
    assert weights.tolist() == pytest.approx([1 / 2, 0, 1 / 2] if scheme == "all_tasks" else [1 / 3] * 3)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-5)
        assert gradients[1][name].stride() == gradient.stride()


def test_an_unknown_method_is_refused(learner):
    trained = learner()
    settings = trained._config.balancing.model_copy(update={"method": "pcgrat"})
    with pytest.raises(ValueError, match=r"balancing.method: unknown 'pcgrat'; did you mean 'pcgrad'"):
        build_balancer(trained.model, replace(setup_of(trained), settings=settings))
