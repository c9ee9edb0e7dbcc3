"""Groupings resolved on tasks: always a partition, always in one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.factors.grouping import GROUPINGS, NAMED_GROUPINGS, GroupingRule, parse_grouping

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


FACES = ("Smiling", "Big_Lips", "Bald", "Wearing_Hat")


@pytest.mark.parametrize("name", ["celeba-mcnn", "celeba-regions", "celeba-object"])
def test_published_groupings_are_written_as_a_name(name):
    rule = parse_grouping(name, "key")
    assert (rule.plain(), rule.resolve(FACES).name) == (name, name)
    network = parse_grouping({"level": "network", "groups": name}, "key")
    assert network.resolve(FACES).name == f"network({name})"
    assert parse_grouping(network.plain(), "key") == network
    assert NAMED_GROUPINGS[name] == rule


def test_a_published_grouping_and_its_groups_in_full_are_one_level():
    written = parse_grouping({"groups": [["Bald", "Wearing_Hat"], ["Big_Lips", "Smiling"]]}, "key").resolve(FACES)
    assert parse_grouping("celeba-mcnn", "key").resolve(FACES) == written
    assert parse_grouping("celeba-mcnn", "key").resolve(("Bald", "Smiling")).name == "per_task"


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        ({"random": {"sizes": [2, 1, 1], "seed": 1}}, "random(2,1,1)-1"),
        ({"shuffled": "celeba-mcnn", "seed": 3}, "celeba-mcnn-shuffled-3"),
        ({"shuffled": [["Smiling", "Bald"], ["Big_Lips"], ["Wearing_Hat"]], "seed": 0}, None),
    ],
)
def test_drawn_groupings(groups, name):
    rule = parse_grouping({"groups": groups}, "key")
    assert parse_grouping(rule.plain(), "key") == rule
    level = rule.resolve(FACES)
    assert level.name == (name or "Smiling,Bald;Big_Lips;Wearing_Hat-shuffled-0")
    assert sorted(task for group in level.groups for task in group) == sorted(FACES)
    labelled = parse_grouping({"groups": groups, "name": "control"}, "key").resolve(FACES)
    assert (labelled, labelled.name) == (level, "control")


def test_a_shuffled_grouping_has_the_sizes_of_its_reference():
    reference = parse_grouping("celeba-mcnn", "key").resolve(FACES)
    control = parse_grouping({"groups": {"shuffled": "celeba-mcnn", "seed": 1}}, "key").resolve(FACES)
    assert sorted(map(len, control.groups)) == sorted(map(len, reference.groups)) == [2, 2]
    assert control != reference


@pytest.mark.parametrize("level", ["modulation", "network"])
@pytest.mark.parametrize(
    "groups",
    [
        [["smile"], ["bald"], ["hat"], ["age"]],
        {"random": {"sizes": [1, 1, 1, 1]}},
        {"shuffled": [[task] for task in TASKS]},
    ],
)
def test_every_task_alone_is_per_task_however_written(level, groups):
    alone = parse_grouping({"level": level, "groups": groups}, "key").resolve(TASKS)
    assert alone == GroupingRule(level).resolve(TASKS)
    assert alone.identity() == GroupingRule(level).resolve(TASKS).identity()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("celeba-mcnn", r"^grouping 'celeba-mcnn' holds no task 'smile'"),
        ({"shuffled": "celeba-mcnn"}, r"^grouping 'celeba-mcnn' holds no task 'smile'"),
        ({"random": {"sizes": [3, 2]}}, r"^sizes \[3, 2\] add up to 5, but there are 4 tasks$"),
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
        ({"groups": "celeba-mcn"}, r"^g.groups: unknown grouping 'celeba-mcn'; did you mean 'celeba-mcnn'\?$"),
        ({"groups": {"randm": {}}}, r"^g.groups: expected random, shuffled or file, .*; did you mean 'random'\?$"),
        ({"groups": {"random": {"size": [1]}}}, r"^g.groups.random.size: unknown key 'size'; did you mean 'sizes'\?$"),
        ({"groups": {"random": {}}}, r"^g.groups.random.sizes: expected a list, got None$"),
        (
            {"groups": {"random": {"sizes": [2, 0]}}},
            r"^g.groups.random: sizes must be whole numbers from 1, got \[2, 0\]$",
        ),
        ({"groups": {"random": {"sizes": [2.0]}}}, r"^g.groups.random.sizes\[0\]: expected a whole number, got 2.0$"),
        ({"groups": {"random": {"sizes": [1]}, "seed": 1}}, r"^g.groups.seed: unknown key 'seed'"),
        (
            {"groups": {"shuffled": "celeba-objects"}},
            r"^g.groups.shuffled: unknown grouping to shuffle 'celeba-objects'; did you mean 'celeba-object'\?$",
        ),
        ({"groups": {"shuffled": [["a"]], "seed": "x"}}, r"^g.groups.seed: expected a whole number, got 'x'$"),
        ({"groups": {"file": "f", "name": "tag-2"}}, r"^g.groups: groups in a file are read with the study file"),
        ({"groups": [["a"]], "name": "celeba-mcnn"}, r"^g: name 'celeba-mcnn' is taken"),
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
