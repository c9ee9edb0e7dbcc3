"""Choosing groups: the objective by its definition, the best partition by trying all, and what local moves reach."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from search_spaces import affinity_groups
from search_spaces.affinity_groups import choose_groups, grouping_score


def all_partitions(tasks):
    """Return every partition of 0 .. tasks - 1, written the plain way."""
    if not tasks:
        return [()]
    found = []
    for size in range(tasks):
        for others in combinations(range(tasks - 1), size):
            rest = [task for task in range(tasks - 1) if task not in others]
            for smaller in all_partitions(len(rest)):
                groups = [tuple(rest[place] for place in group) for group in smaller]
                found.append(tuple(sorted([*groups, (*others, tasks - 1)])))
    return found


def rank(affinity, groups):
    """Return what to compare partitions by: fewest lone tasks, then the score summed over the tasks in company."""
    alone = sum(len(group) == 1 for group in groups)
    company = len(affinity) - alone
    return -alone, grouping_score(affinity, groups) * company if company else 0.0


def matrices(low, high):
    sizes = st.integers(low, high)
    numbers = st.floats(-1, 1, allow_subnormal=False).map(lambda value: round(value, 3))
    return sizes.flatmap(lambda size: arrays.arrays(np.float64, (size, size), elements=numbers))


def test_there_are_as_many_partitions_as_bell_says():
    assert [len(all_partitions(tasks)) for tasks in range(1, 7)] == [1, 2, 5, 15, 52, 203]


def test_the_score_by_hand():
    affinity = np.array([[9.0, 0.1, 0.2], [0.3, 9.0, 0.4], [0.5, 0.6, 9.0]])
    assert grouping_score(affinity, ((0, 1), (2,))) == pytest.approx((0.1 + 0.3) / 2)
    assert grouping_score(affinity, ((0, 1, 2),)) == pytest.approx(((0.3 + 0.5) + (0.1 + 0.6) + (0.2 + 0.4)) / 2 / 3)
    assert np.isnan(grouping_score(affinity, ((0,), (1,), (2,))))


@given(matrices(2, 6))
def test_up_to_six_tasks_nothing_is_better(affinity):
    chosen = choose_groups(affinity)
    assert list(chosen) == list(range(2, len(affinity) + 1))
    for count, groups in chosen.items():
        ranks = [rank(affinity, other) for other in all_partitions(len(affinity)) if len(other) == count]
        best, found = max(ranks), rank(affinity, groups)
        assert found[0] == best[0]
        assert found[1] == pytest.approx(best[1], abs=1e-9)


@given(matrices(2, 6), st.floats(-5, 5).map(lambda value: round(value, 2)))
def test_adding_a_number_changes_no_score_order(affinity, shift):
    for count, groups in choose_groups(affinity + shift).items():
        assert rank(affinity, groups)[1] == pytest.approx(rank(affinity, choose_groups(affinity)[count])[1], abs=1e-9)


def blocks(sizes, seed):
    """Return an affinity that is high inside blocks, with the blocks' members mixed, and the blocks."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    affinity = generator.normal(0, 0.05, (len(labels), len(labels))) + (labels[:, None] == labels)
    return affinity, sorted(tuple(np.flatnonzero(labels == label).tolist()) for label in range(len(sizes)))


@pytest.mark.parametrize("sizes", [(4, 3, 2), (4, 4, 4), (9, 13, 5, 2, 2, 5, 4), (2,) * 8])
def test_planted_groups_are_found(sizes):
    affinity, planted = blocks(sizes, seed=sum(sizes))
    assert list(choose_groups(affinity)[len(sizes)]) == planted


@settings(max_examples=30)
@given(matrices(3, 6))
def test_local_moves_give_partitions_that_no_move_or_swap_betters(affinity):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(affinity_groups, "MOST_TASKS_EXACT", 0)
        chosen = choose_groups(affinity)
    for count, groups in chosen.items():
        assert len(groups) == count
        assert sorted(task for group in groups for task in group) == list(range(len(affinity)))
        found = rank(affinity, groups)
        for near in neighbours(groups):
            reached = rank(affinity, near)
            assert reached[0] < found[0] or (reached[0] == found[0] and reached[1] <= found[1] + 1e-6)


def neighbours(groups):
    label_of = {task: label for label, group in enumerate(groups) for task in group}
    changed = [label_of | {task: label} for task in label_of for label in range(len(groups))]
    changed += [label_of | {i: label_of[j], j: label_of[i]} for i, j in combinations(label_of, 2)]
    for labels in changed:
        found = [tuple(task for task in labels if labels[task] == label) for label in range(len(groups))]
        if all(found):
            yield tuple(found)


def test_local_moves_are_near_the_best_on_twelve_tasks():
    for seed in range(3):
        affinity = np.random.default_rng(seed).normal(size=(12, 12))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(affinity_groups, "MOST_TASKS_EXACT", 0)
            local = choose_groups(affinity)
        exact = choose_groups(affinity)
        for count in (2, 3, 4):
            assert grouping_score(affinity, local[count]) >= 0.85 * grouping_score(affinity, exact[count])


def test_forty_tasks_take_no_time():
    affinity = np.random.default_rng(0).normal(size=(40, 40))
    chosen = choose_groups(affinity)
    assert [len(groups) for groups in chosen.values()] == list(range(2, 41))


RELEASED = ("5oC", "Black", "Blond", "Brown", "Goatee", "Mustache", "No_Beard", "Rosy", "Hat")
RELEASED_COSINES = """
0.251 0.206 0.288 0.626 0.382 2.112 0.149 0.298
0.421 1.369 0.240 0.154 0.369 0.131 0.256
0.541 0.178 0.103 0.357 0.299 0.199
0.226 0.103 0.362 0.131 0.162
2.885 1.958 0.084 0.362
0.928 0.117 0.240
0.151 0.276
0.073
"""
"""Above the diagonal: the gradient cosines of nine CelebA attributes released with TAG (google-research, tag), summed
over their measurements and rounded to three decimals."""


def test_the_released_cosines_give_the_groups_of_the_released_selection():
    cosines = np.zeros((9, 9))
    cosines[np.triu_indices(9, 1)] = [float(number) for number in RELEASED_COSINES.split()]
    chosen = choose_groups(cosines + cosines.T)
    named = [tuple(RELEASED[task] for task in group) for group in chosen[3]]
    assert named == [("5oC", "No_Beard"), ("Black", "Blond", "Brown", "Rosy", "Hat"), ("Goatee", "Mustache")]


@pytest.mark.parametrize("affinity", [np.zeros((1, 1)), np.zeros((2, 3)), np.array([[0.0, np.nan], [0.0, 0.0]])])
def test_what_is_refused(affinity):
    with pytest.raises(ValueError, match=r"^expected a finite \(T, T\) matrix for at least 2 tasks"):
        choose_groups(affinity)
