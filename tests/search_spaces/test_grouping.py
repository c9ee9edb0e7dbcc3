"""Groupings resolved on tasks: always a partition, always in one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.grouping import GROUPINGS, GroupingRule, parse_grouping

TASKS = ("smile", "bald", "hat", "age")


@st.composite
def partitions(draw):
    """Draw tasks, their groups, and the same groups written in another order."""
    count = draw(st.integers(1, 6))
    tasks = tuple(f"task{index}" for index in range(count))
    of_task = draw(st.lists(st.integers(0, count - 1), min_size=count, max_size=count))
    groups = [tuple(t for t, g in zip(tasks, of_task, strict=True) if g == group) for group in set(of_task)]
    written = [tuple(draw(st.permutations(group))) for group in draw(st.permutations(groups))]
    return tasks, groups, written


@given(partitions(), st.sampled_from(["modulation", "network"]))
def test_resolved_groups_are_a_partition_in_one_order(drawn, level):
    tasks, groups, written = drawn
    one = GroupingRule(level, tuple(groups)).resolve(tasks)
    other = GroupingRule(level, tuple(written)).resolve(tasks)
    assert one == other
    for partition in (one.groups, one.network_groups(tasks), one.modulation_groups(tasks)):
        assert sorted(task for group in partition for task in group) == sorted(tasks)
        for group in partition:
            assert group == tuple(task for task in tasks if task in group)
        assert list(partition) == sorted(partition, key=lambda group: tasks.index(group[0]))


@given(partitions(), st.sampled_from(["modulation", "network"]))
def test_a_rule_reads_back_from_its_plain_form(drawn, level):
    _, _, written = drawn
    rule = GroupingRule(level, tuple(written), "regions")
    assert parse_grouping(rule.plain(), "key") == rule


@pytest.mark.parametrize(
    ("rule", "level", "groups"),
    [
        ("per_task", "modulation", (("smile",), ("bald",), ("hat",), ("age",))),
        ("shared", "modulation", (TASKS,)),
        ("network_per_task", "network", (("smile",), ("bald",), ("hat",), ("age",))),
    ],
)
def test_named_groupings(rule, level, groups):
    resolved = GROUPINGS[rule].resolve(TASKS)
    assert (resolved.level, resolved.groups, resolved.name) == (level, groups, rule)
    assert parse_grouping(rule, "key").plain() == rule


def test_groups_written_out_that_mean_a_named_grouping_are_that_grouping():
    written = {"level": "network", "groups": [["age"], ["hat"], ["smile"], ["bald"]], "name": "mine"}
    assert parse_grouping(written, "key").resolve(TASKS) == GROUPINGS["network_per_task"].resolve(TASKS)
    assert parse_grouping(written, "key").resolve(TASKS).name == "network_per_task"


def test_one_network_for_all_tasks_is_what_modulation_starts_from():
    assert GroupingRule("network", "together").resolve(TASKS) == GROUPINGS["per_task"].resolve(TASKS)


def test_a_single_task_has_one_grouping_only():
    assert GROUPINGS["network_per_task"].resolve(("smile",)) == GROUPINGS["per_task"].resolve(("smile",))
    assert GROUPINGS["shared"].resolve(("smile",)).name == "per_task"


def test_names_of_groups():
    groups = (("hat", "bald"), ("smile", "age"))
    assert GroupingRule("modulation", groups).resolve(TASKS).name == "smile,age;bald,hat"
    assert GroupingRule("network", groups).resolve(TASKS).name == "network(smile,age;bald,hat)"
    assert GroupingRule("network", groups, "regions").resolve(TASKS).name == "regions"
    many = tuple(f"attribute_{index}" for index in range(40))
    name = GroupingRule("modulation", (many[:20], many[20:])).resolve(many).name
    assert name.startswith("2groups-")
    assert len(name) < 20


def test_networks_by_group_keep_vectors_per_task():
    level = GroupingRule("network", (("smile", "bald"), ("hat", "age"))).resolve(TASKS)
    assert level.network_groups(TASKS) == (("smile", "bald"), ("hat", "age"))
    assert level.modulation_groups(TASKS) == (("smile",), ("bald",), ("hat",), ("age",))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([["smile", "bald"], ["hatt", "age"]], r"^unknown task 'hatt'; did you mean 'hat'\?$"),
        ([["smile", "bald"], ["hat"]], r"^no group holds 'age'; groups name every task exactly once$"),
        ([["smile", "bald"], ["hat", "age", "bald"]], r"^task 'bald' is named 2 times"),
    ],
)
def test_groups_that_are_no_partition_of_the_tasks(groups, message):
    with pytest.raises(ValueError, match=message):
        parse_grouping({"groups": groups}, "key").resolve(TASKS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("pertask", r"^g: unknown grouping 'pertask'; did you mean 'per_task'\?$"),
        ({"level": "network"}, r"^g.groups: expected a list of lists .*, got None$"),
        (
            {"level": "networks", "groups": [["a"]]},
            r"^g.level: unknown grouping level 'networks'; did you mean 'network'\?$",
        ),
        ({"groups": [["a"], []]}, r"^g.groups\[1\]: expected at least one entry"),
        ({"groups": ["a"]}, r"^g.groups\[0\]: expected a list, got 'a'$"),
        ({"groups": [[1]]}, r"^g.groups\[0\]: expected task names, got \[1\]$"),
        ({"groups": [["a"]], "name": "shared"}, r"^g: name 'shared' is taken"),
        ({"groups": [["a"]], "name": "a b"}, r"^g: name must be up to 40 letters"),
        ({"groups": [["a"]], "name": 1}, r"^g.name: expected text, got 1$"),
        ({"group": [["a"]]}, r"^g.group: unknown key 'group'; did you mean 'groups'\?$"),
    ],
)
def test_what_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        parse_grouping(value, "g")
