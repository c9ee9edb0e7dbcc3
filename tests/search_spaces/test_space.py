"""Arms of a space: the union of products, canonical, distinct, named; and spaces read from plain values."""

from __future__ import annotations

import pickle

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from search_spaces import CATALOG, Arm, Block, Constant, Disjoint, FloatRange, Grouping, Ones, Placement, SearchSpace
from search_spaces.catalog import Space
from search_spaces.factors.grouping import GROUPINGS
from search_spaces.factors.initialization import PUBLISHED
from search_spaces.factors.placement import PLACEMENTS
from trainables.config.data import DataConfig
from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.config.trial import TrialConfig
from trainables.networks.modulation import FORMS

STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
TASKS = ("smile", "bald", "hat")

placements = st.sampled_from([Placement(name) for name in PLACEMENTS] + [Placement(("fc", "res2"))])
initializations = st.sampled_from(
    [
        *PUBLISHED.values(),
        Ones(),
        Ones(trainable=False),
        Constant(value=1.0),
    ]
)
groupings = st.sampled_from(
    [
        *(GROUPINGS[name] for name in ("per_task", "shared", "network_per_task")),
        Grouping(groups=(("hat", "smile"), ("bald",))),
        Grouping(level="network", groups=(("bald",), ("smile", "hat")), name="hair"),
        Grouping(level="network", groups="together"),
    ]
)


def some(levels):
    return st.lists(levels, min_size=1, max_size=3).map(tuple)


blocks = st.builds(
    Block,
    placement=some(placements),
    initialization=some(initializations),
    grouping=some(groupings),
    activation=some(st.sampled_from(["relu", "none"])),
)
spaces = st.builds(SearchSpace, blocks=st.lists(blocks, min_size=1, max_size=2).map(tuple))

read_space = TypeAdapter(Space).validate_python


def names(space: SearchSpace) -> list[str]:
    return [arm.name for arm in space.arms(STAGES, TASKS, FORMS)]


def only(block: dict[str, object], tasks: tuple[str, ...] = TASKS) -> Arm:
    (arm,) = read_space({"blocks": [block]}).arms(STAGES, tasks, FORMS)
    return arm


@given(spaces)
def test_arms_are_distinct_in_id_name_and_levels(space):
    expansion = space.expand(STAGES, TASKS, FORMS)
    arms = expansion.arms
    assert len({arm.arm_id for arm in arms}) == len({arm.name for arm in arms}) == len(arms)
    contents = {tuple(arm.levels.values()) for arm in arms}
    assert len(contents) == len(arms)
    combinations = sum(
        sum(len(rule.expand(STAGES)) for rule in block.placement)
        * len(block.initialization)
        * len(block.grouping)
        * len(block.activation)
        for block in space.blocks
    )
    assert expansion.duplicates == combinations - len(arms)


@given(spaces)
def test_the_order_of_blocks_moves_arms_and_changes_none(space):
    turned = SearchSpace(blocks=space.blocks[::-1])
    assert {arm.arm_id for arm in turned.arms(STAGES, TASKS, FORMS)} == {
        arm.arm_id for arm in space.arms(STAGES, TASKS, FORMS)
    }


@given(spaces)
def test_a_space_reads_back_from_its_plain_form_through_yaml(space):
    assert read_space(yaml.safe_load(yaml.safe_dump(space.written()))) == space


@given(spaces)
def test_every_arm_makes_a_valid_trial(space):
    for arm in space.arms(STAGES, TASKS, FORMS):
        config = TrialConfig(
            data=DataConfig(tasks=TASKS),
            modulation=ModulationConfig(
                points=arm.points,
                form=arm.levels["form"].kind,
                size=arm.levels["form"].size,
                activation=arm.levels["activation"],
                initialization=InitializationConfig(**arm.levels["initialization"].to_dict()),
                groups=arm.levels["grouping"].modulation_groups(TASKS),
            ),
            network_groups=arm.levels["grouping"].network_groups(TASKS),
        )
        assert config.modulation.points == arm.points


def test_the_default_space_holds_every_rival():
    assert names(CATALOG["default"]) == [
        "separate",
        "shared",
        "embedding+disjoint(0)-frozen",
        "embedding+normal(0.9,0.7)",
        "late",
        "all",
    ]


def test_the_placement_space_counts_its_repeats():
    expansion = CATALOG["placement"].expand(STAGES, TASKS, FORMS)
    assert len(expansion.arms) == 16
    assert expansion.duplicates == 3  # fc alone, conv1 alone, and all stages are asked for twice


@pytest.mark.parametrize("name", CATALOG)
def test_catalog_spaces_fit_other_networks_and_tasks_and_hold_the_shared_network(name):
    for stages, tasks in ((("only",), ("one",)), (("a", "b"), TASKS), (STAGES, tuple("abcdefgh"))):
        arms = CATALOG[name].arms(stages, tasks, FORMS)
        assert "shared" in {arm.name for arm in arms}
        assert read_space(name) == read_space(CATALOG[name].written()) == CATALOG[name]


def test_ids_are_stable_across_versions_and_tasks():
    late = only({"placement": ["late"]})
    assert late.arm_id == only({"placement": [["fc", "res5", "res4"]]}, ("age", "beard")).arm_id
    assert late.arm_id == "413b44b6dc97"
    assert only({"placement": "none"}).arm_id == "cd895251f98c"


def test_numbers_written_as_integers_give_the_same_arm():
    one = SearchSpace(blocks=(Block(initialization=(Disjoint(off=0),)),))
    other = SearchSpace(blocks=(Block(initialization=(Disjoint(off=-0.0),)),))
    assert [arm.arm_id for arm in one.arms(STAGES, TASKS, FORMS)] == [
        arm.arm_id for arm in other.arms(STAGES, TASKS, FORMS)
    ]


def test_without_modulation_its_levels_change_nothing():
    space = read_space(
        {
            "blocks": [
                {
                    "placement": ["none"],
                    "initialization": ["ones", "csn-learned"],
                    "grouping": ["shared", "per_task", "network_per_task"],
                    "activation": ["relu", "none"],
                }
            ]
        }
    )
    expansion = space.expand(STAGES, TASKS, FORMS)
    assert [arm.name for arm in expansion.arms] == ["shared", "separate"]
    assert expansion.duplicates == 10
    assert expansion.arms[0].levels["grouping"].modulation_groups(TASKS) == (("smile",), ("bald",), ("hat",))


def test_groups_of_a_network_without_modulation_come_in_task_order():
    written = {"placement": "none", "grouping": {"groups": [["smile", "hat"], ["bald"]]}}
    assert only(written).levels["grouping"] == GROUPINGS["per_task"].resolve(TASKS)


def test_a_relu_on_frozen_vectors_above_zero_changes_nothing():
    block = {"placement": ["embedding"], "initialization": ["csn-fixed"], "activation": ["none", "relu"]}
    assert only(block).levels["activation"] == "relu"
    trained = read_space({"blocks": [block | {"initialization": ["csn-blocks"]}]})
    assert names(trained) == ["embedding+disjoint(0.1)+none", "embedding+disjoint(0.1)"]


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ({}, "late"),
        ({"placement": "embedding", "initialization": "csn-learned"}, "embedding+normal(0.9,0.7)"),
        ({"activation": "none", "grouping": "shared"}, "late+none+shared"),
        ({"grouping": "network_per_task"}, "late+network_per_task"),
        ({"placement": "none", "grouping": "network_per_task"}, "separate"),
        (
            {"placement": "none", "grouping": {"level": "network", "groups": [["smile", "hat"], ["bald"]]}},
            "none+network(smile,hat;bald)",
        ),
        ({"placement": [["res3", "fc"]]}, "res3,fc"),
    ],
)
def test_names_of_arms(block, name):
    assert only(block).name == name


def test_names_that_collide_get_the_id():
    stages = ("stem", "late", "embedding")
    arms = read_space({"blocks": [{"placement": ["late", ["late"]]}]}).arms(stages, TASKS, FORMS)
    assert [(arm.name, arm.points) for arm in arms] == [
        (f"late-{arms[0].arm_id}", ("late", "embedding")),
        (f"late-{arms[1].arm_id}", ("late",)),
    ]
    labelled = [
        {"groups": [["smile", other], [rest]], "name": "g"} for other, rest in (("bald", "hat"), ("hat", "bald"))
    ]
    one, other = read_space({"blocks": [{"grouping": labelled}]}).arms(STAGES, TASKS, FORMS)
    assert (one.name, other.name) == (f"late+g-{one.arm_id}", f"late+g-{other.arm_id}")


def test_an_arm_survives_pickling_and_is_plain_for_the_journal():
    arm = only({"placement": "embedding", "initialization": "csn-fixed"})
    assert pickle.loads(pickle.dumps(arm)) == arm  # noqa: S301  # our own bytes
    assert arm.to_dict() == {
        "name": "embedding+disjoint(0)-frozen",
        "arm_id": arm.arm_id,
        "placement_name": "embedding",
        "points": ["fc"],
        "form": "scale",
        "activation": "relu",
        "initialization": {"name": "disjoint(0)-frozen", "kind": "disjoint", "trainable": False, "off": 0.0},
        "grouping": {"name": "per_task", "level": "modulation", "groups": [["smile"], ["bald"], ["hat"]]},
        "balancing": "equal",
        "budget": "steps",
    }


def test_a_catalog_space_may_be_given_other_nuisance_ranges():
    space = read_space(
        yaml.safe_load(
            "{catalog: default, nuisance: {learning_rate: {low: 1e-3, high: 1e-1, log: true}}, fixed: {margin: 0.3}}"
        )
    )
    assert space.blocks == CATALOG["default"].blocks
    assert space.nuisance == {"learning_rate": FloatRange(low=1e-3, high=1e-1, log=True)}
    assert space.fixed == {"margin": 0.3}


def test_nuisance_comes_in_one_order_however_written():
    margin, rate = {"margin": [0.1, 0.2]}, {"learning_rate": [1.0, 2.0]}
    for nuisance in (margin | rate, rate | margin):
        assert list(read_space({"catalog": "default", "nuisance": nuisance}).nuisance) == ["learning_rate", "margin"]
