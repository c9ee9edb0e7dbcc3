"""Partitions: restricted, drawn and shuffled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.factors.celeba_groupings import CELEBA_GROUPINGS
from search_spaces.factors.partitions import drawn, restricted, shuffled

CELEBA = tuple(sorted(task for group in CELEBA_GROUPINGS["celeba-mcnn"] for task in group))
RELEASED = ("Smiling", "Oval_Face", "5_o_Clock_Shadow", "Bald", "Arched_Eyebrows", "Big_Lips", "Big_Nose")


def as_sets(partition):
    return {frozenset(group) for group in partition}


@st.composite
def partitions(draw):
    """Draw tasks in any order and a partition of them."""
    count = draw(st.integers(1, 7))
    tasks = tuple(draw(st.permutations([f"task{index}" for index in range(count)])))
    of_task = draw(st.lists(st.integers(0, count - 1), min_size=count, max_size=count))
    return tasks, tuple(
        tuple(task for task, own in zip(tasks, of_task, strict=True) if own == group) for group in sorted(set(of_task))
    )


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("celeba-mcnn", [1, 2, 4, 5, 6, 13, 5, 2, 2]),
        ("celeba-regions", [9, 10, 5, 2, 4, 5, 3, 2]),
        ("celeba-object", [6, 1, 4, 3, 2, 5, 10, 9]),
    ],
)
def test_published_groupings_hold_the_forty_attributes_once(name, sizes):
    groups = CELEBA_GROUPINGS[name]
    assert [len(group) for group in groups] == sizes
    members = [task for group in groups for task in group]
    assert len(members) == len(set(members)) == 40
    assert set(members) == set(CELEBA)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        (
            "celeba-mcnn",
            [{"Smiling", "Big_Lips"}, *({task} for task in RELEASED if task not in ("Smiling", "Big_Lips"))],
        ),
        (
            "celeba-regions",
            [{"Oval_Face", "Smiling"}, {"Bald"}, {"Arched_Eyebrows"}, {"Big_Nose"}, {"5_o_Clock_Shadow", "Big_Lips"}],
        ),
        (
            "celeba-object",
            [{"Oval_Face", "Smiling"}, {"Bald"}, {"Arched_Eyebrows"}, {"Big_Nose"}, {"5_o_Clock_Shadow", "Big_Lips"}],
        ),
    ],
)
def test_the_seven_released_tasks_under_published_groupings(name, groups):
    assert as_sets(restricted(name, CELEBA_GROUPINGS[name], RELEASED)) == {frozenset(group) for group in groups}


@given(st.sets(st.sampled_from(CELEBA), min_size=1).map(tuple), st.sampled_from(sorted(CELEBA_GROUPINGS)))
def test_restriction_keeps_together_what_was_together(tasks, name):
    found = restricted(name, CELEBA_GROUPINGS[name], tasks)
    assert sorted(task for group in found for task in group) == sorted(tasks)
    group_of = {task: number for number, group in enumerate(CELEBA_GROUPINGS[name]) for task in group}
    own = {task: number for number, group in enumerate(found) for task in group}
    for one in tasks:
        for other in tasks:
            assert (group_of[one] == group_of[other]) == (own[one] == own[other])


def test_a_task_that_is_no_attribute_is_named():
    with pytest.raises(ValueError, match=r"^grouping 'x' holds no task 'Glasses'; did you mean 'Eyeglasses'\?$"):
        restricted("x", CELEBA_GROUPINGS["celeba-mcnn"], ("Smiling", "Glasses"))
    with pytest.raises(ValueError, match=r"^grouping 'x' holds no task 'colour'$"):
        restricted("x", CELEBA_GROUPINGS["celeba-mcnn"], ("colour",))


@given(partitions(), st.integers(0, 20))
def test_shuffling_keeps_sizes_and_changes_the_partition_where_it_can(drawn_partition, seed):
    tasks, groups = drawn_partition
    found = shuffled(groups, seed, tasks)
    assert sorted(task for group in found for task in group) == sorted(tasks)
    assert sorted(map(len, found)) == sorted(map(len, groups))
    alone_or_together = len(groups) in (1, len(tasks))
    assert (as_sets(found) == as_sets(groups)) == alone_or_together


@given(partitions(), st.integers(0, 20), st.data())
def test_the_order_of_tasks_and_groups_decides_nothing(drawn_partition, seed, data):
    tasks, groups = drawn_partition
    other_tasks = tuple(data.draw(st.permutations(tasks)))
    other_groups = tuple(data.draw(st.permutations(groups)))
    assert as_sets(shuffled(groups, seed, tasks)) == as_sets(shuffled(other_groups, seed, other_tasks))


def test_a_drawn_partition_is_the_same_everywhere():
    tasks = ("a", "b", "c", "d", "e", "f", "g")
    assert drawn((3, 2, 2), 1, tasks) == drawn((2, 3, 2), 1, tasks)
    assert drawn((3, 2, 2), 1, tasks) == EXPECTED
    assert len({drawn((3, 2, 2), seed, tasks) for seed in range(20)}) > 10


EXPECTED = (("a", "b"), ("c", "e"), ("d", "f", "g"))
"""Of seed 1, written down: no version of any library may change it."""


def test_sizes_must_add_up():
    with pytest.raises(ValueError, match=r"^sizes \[3, 2\] add up to 5, but there are 4 tasks$"):
        drawn((3, 2), 0, ("a", "b", "c", "d"))
