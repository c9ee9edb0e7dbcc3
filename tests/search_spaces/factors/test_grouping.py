"""Groupings resolved on tasks: always a partition, always in one form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.factors.grouping import GROUPINGS, Grouping

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
    one = Grouping(level=level, groups=tuple(groups)).resolve(tasks)
    other = Grouping(level=level, groups=tuple(written)).resolve(tasks)
    assert one == other
    for partition in (one.groups, one.network_groups(tasks), one.modulation_groups(tasks)):
        assert sorted(task for group in partition for task in group) == sorted(tasks)
        for group in partition:
            assert group == tuple(task for task in tasks if task in group)
        assert list(partition) == sorted(partition, key=lambda group: tasks.index(group[0]))


@given(partitions(), st.sampled_from(["modulation", "network"]))
def test_a_rule_reads_back_from_its_plain_form(drawn, level):
    _, _, written = drawn
    rule = Grouping(level=level, groups=tuple(written), name="regions")
    assert Grouping.model_validate(rule.model_dump(mode="json")) == rule


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
    assert Grouping.model_validate(rule).model_dump(mode="json") == rule


def test_groups_written_out_that_mean_a_named_grouping_are_that_grouping():
    written = {"level": "network", "groups": [["age"], ["hat"], ["smile"], ["bald"]], "name": "mine"}
    assert Grouping.model_validate(written).resolve(TASKS) == GROUPINGS["network_per_task"].resolve(TASKS)
    assert Grouping.model_validate(written).resolve(TASKS).name == "network_per_task"


def test_one_network_for_all_tasks_is_what_modulation_starts_from():
    assert Grouping(level="network", groups="together").resolve(TASKS) == GROUPINGS["per_task"].resolve(TASKS)


def test_a_single_task_has_one_grouping_only():
    assert GROUPINGS["network_per_task"].resolve(("smile",)) == GROUPINGS["per_task"].resolve(("smile",))
    assert GROUPINGS["shared"].resolve(("smile",)).name == "per_task"


def test_names_of_groups():
    groups = (("hat", "bald"), ("smile", "age"))
    assert Grouping(level="modulation", groups=groups).resolve(TASKS).name == "smile,age;bald,hat"
    assert Grouping(level="network", groups=groups).resolve(TASKS).name == "network(smile,age;bald,hat)"
    assert Grouping(level="network", groups=groups, name="regions").resolve(TASKS).name == "regions"
    many = tuple(f"attribute_{index}" for index in range(40))
    name = Grouping(groups=(many[:20], many[20:])).resolve(many).name
    assert name.startswith("2groups-")
    assert len(name) < 20


def test_networks_by_group_keep_vectors_per_task():
    level = Grouping(level="network", groups=(("smile", "bald"), ("hat", "age"))).resolve(TASKS)
    assert level.network_groups(TASKS) == (("smile", "bald"), ("hat", "age"))
    assert level.modulation_groups(TASKS) == (("smile",), ("bald",), ("hat",), ("age",))


FACES = ("Smiling", "Big_Lips", "Bald", "Wearing_Hat")


@pytest.mark.parametrize("name", ["celeba-mcnn", "celeba-regions", "celeba-object"])
def test_published_groupings_are_written_as_a_name(name):
    rule = Grouping.model_validate(name)
    assert (rule.model_dump(mode="json"), rule.resolve(FACES).name) == (name, name)
    network = Grouping.model_validate({"level": "network", "groups": name})
    assert network.resolve(FACES).name == f"network({name})"
    assert Grouping.model_validate(network.model_dump(mode="json")) == network
    assert GROUPINGS[name] == rule


def test_a_published_grouping_and_its_groups_in_full_are_one_level():
    written = Grouping.model_validate({"groups": [["Bald", "Wearing_Hat"], ["Big_Lips", "Smiling"]]}).resolve(FACES)
    assert Grouping.model_validate("celeba-mcnn").resolve(FACES) == written
    assert Grouping.model_validate("celeba-mcnn").resolve(("Bald", "Smiling")).name == "per_task"


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        ({"random": {"sizes": [2, 1, 1], "seed": 1}}, "random(2,1,1)-1"),
        ({"shuffled": "celeba-mcnn", "seed": 3}, "celeba-mcnn-shuffled-3"),
        ({"shuffled": [["Smiling", "Bald"], ["Big_Lips"], ["Wearing_Hat"]], "seed": 0}, None),
    ],
)
def test_drawn_groupings(groups, name):
    rule = Grouping.model_validate({"groups": groups})
    assert Grouping.model_validate(rule.model_dump(mode="json")) == rule
    level = rule.resolve(FACES)
    assert level.name == (name or "Smiling,Bald;Big_Lips;Wearing_Hat-shuffled-0")
    assert sorted(task for group in level.groups for task in group) == sorted(FACES)
    labelled = Grouping.model_validate({"groups": groups, "name": "control"}).resolve(FACES)
    assert (labelled, labelled.name) == (level, "control")


def test_a_shuffled_grouping_has_the_sizes_of_its_reference():
    reference = Grouping.model_validate("celeba-mcnn").resolve(FACES)
    control = Grouping.model_validate({"groups": {"shuffled": "celeba-mcnn", "seed": 1}}).resolve(FACES)
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
    alone = Grouping.model_validate({"level": level, "groups": groups}).resolve(TASKS)
    assert alone == Grouping(level=level, groups="per_task").resolve(TASKS)
    assert alone.identity() == Grouping(level=level, groups="per_task").resolve(TASKS).identity()


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
        Grouping.model_validate({"groups": groups}).resolve(TASKS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("pertask", r"^@: unknown grouping 'pertask'; did you mean 'per_task'\?$"),
        ({"level": "network"}, r"^@.groups: missing; this key is required$"),
        (
            {"level": "networks", "groups": [["a"]]},
            r"^@.level: unknown value 'networks'; did you mean 'network'\?$",
        ),
        ({"groups": [["a"], []]}, r"^@.groups\[1\]: expected at least one entry"),
        ({"groups": "celeba-mcn"}, r"^@.groups: unknown grouping 'celeba-mcn'; did you mean 'celeba-mcnn'\?$"),
        ({"groups": {"randm": {}}}, r"^@.groups: expected random, shuffled or file, .*; did you mean 'random'\?$"),
        ({"groups": {"random": {"size": [1]}}}, r"^@.groups.random.size: unknown key; did you mean 'sizes'\?"),
        ({"groups": {"random": {}}}, r"^@.groups.random.sizes: missing; this key is required$"),
        (
            {"groups": {"random": {"sizes": [2, 0]}}},
            r"^@.groups.random.sizes\[1\]: should be greater than or equal to 1, got 0$",
        ),
        ({"groups": {"random": {"sizes": [2.0]}}}, r"^@.groups.random.sizes\[0\]: should be a valid integer, got 2.0$"),
        ({"groups": {"random": {"sizes": [1]}, "seed": 1}}, r"^@.groups.seed: unknown key; known: random$"),
        (
            {"groups": {"shuffled": "celeba-objects"}},
            r"^@.groups.shuffled: unknown grouping to shuffle 'celeba-objects'; did you mean 'celeba-object'\?$",
        ),
        ({"groups": {"shuffled": [["a"]], "seed": "x"}}, r"^@.groups.seed: should be a valid integer, got 'x'$"),
        ({"groups": {"file": "f", "name": "tag-2"}}, r"^@.groups: groups in a file are read with the study file"),
        ({"groups": [["a"]], "name": "celeba-mcnn"}, r"^@.name: 'celeba-mcnn' is taken"),
        ({"groups": ["a"]}, r"^@.groups\[0\]: expected a list, got 'a'$"),
        ({"groups": [[1]]}, r"^@.groups\[0\]\[0\]: should be text, got 1$"),
        ({"groups": [["a"]], "name": "shared"}, r"^@.name: 'shared' is taken"),
        ({"groups": [["a"]], "name": "a b"}, r"^@.name: must be up to 40 letters"),
        ({"groups": [["a"]], "name": 1}, r"^@.name: should be text, got 1$"),
        ({"group": [["a"]]}, r"^@.group: unknown key; did you mean 'groups'\?"),
    ],
)
def test_what_is_refused(value, message, refusal_of):
    assert re.search(message, refusal_of("grouping", value))
