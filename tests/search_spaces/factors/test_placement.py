"""Placement rules against the released network's six stages, and against any other number of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.factors.placement import PLACEMENTS, Placement, placement_name

SIMPLENET = ("conv1", "res2", "res3", "res4", "res5", "fc")


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("none", [()]),
        ("embedding", [("fc",)]),
        ("late", [("res4", "res5", "fc")]),
        ("all", [SIMPLENET]),
        ("each", [("conv1",), ("res2",), ("res3",), ("res4",), ("res5",), ("fc",)]),
        ("prefixes", [SIMPLENET[:1], SIMPLENET[:2], SIMPLENET[:3], SIMPLENET[:4], SIMPLENET[:5], SIMPLENET]),
        ("suffixes", [SIMPLENET[5:], SIMPLENET[4:], SIMPLENET[3:], SIMPLENET[2:], SIMPLENET[1:], SIMPLENET]),
    ],
)
def test_named_rules_on_the_released_network(name, points):
    assert list(Placement(name).expand(SIMPLENET)) == points


def test_a_list_of_stages_comes_back_in_the_order_of_the_backbone():
    assert Placement.model_validate(["fc", "conv1"]).expand(SIMPLENET) == (("conv1", "fc"),)


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=7, unique=True).map(tuple))
def test_every_named_rule_but_subsets_gives_distinct_runs_of_existing_stages(stages):
    for name in PLACEMENTS.keys() - {"subsets"}:
        expanded = Placement(name).expand(stages)
        assert len(set(expanded)) == len(expanded)
        for points in expanded:
            assert any(stages[first : first + len(points)] == points for first in range(len(stages)))


def test_subsets_are_all_sets_of_stages_and_too_many_are_refused():
    expanded = Placement("subsets").expand(SIMPLENET)
    assert len(set(expanded)) == 2 ** len(SIMPLENET)
    assert all(points == tuple(stage for stage in SIMPLENET if stage in points) for points in expanded)
    with pytest.raises(ValueError, match=r"'subsets' of 11 stages are 2\^11 arms; list some of them"):
        Placement("subsets").expand(tuple(map(str, range(11))))


def test_names_depend_on_the_points_alone():
    names = [placement_name(points, SIMPLENET) for points in Placement("suffixes").expand(SIMPLENET)]
    assert names == ["embedding", "res5..fc", "late", "res3..fc", "res2..fc", "all"]
    assert placement_name(("res3",), SIMPLENET) == "res3"
    assert placement_name(("conv1", "res5"), SIMPLENET) == "conv1,res5"
    assert placement_name((), SIMPLENET) == "none"


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_different_points_have_different_names(left, right):
    one, other = (tuple(stage for i, stage in enumerate(SIMPLENET) if i in chosen) for chosen in (left, right))
    assert (placement_name(one, SIMPLENET) == placement_name(other, SIMPLENET)) == (one == other)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("embeding", r"^@: unknown placement 'embeding'; did you mean 'embedding'\?$"),
        ("res4", r"^@: unknown placement 'res4'; known: none.*a list inside the list names stages: \[\[res4\]\]$"),
        ([], r"^@: an empty list of stages; write 'none'"),
        (["fc", "fc"], r"^@: stages must be distinct, got \['fc', 'fc'\]$"),
        ([4], r"^@: expected a name .* or a list of stage names, got \[4\]$"),
        (None, r"^@: expected a name .*, got None$"),
    ],
)
def test_what_is_refused(value, message, refusal_of):
    assert re.search(message, refusal_of("placement", value))
