"""Forms, balancing and published starts as factors: which levels are one arm, and what arms are called."""

from __future__ import annotations

from pydantic import TypeAdapter

from search_spaces import CATALOG, Arm, SearchSpace
from search_spaces.catalog import Space
from trainables.networks.modulation import FORMS

STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
TASKS = ("smile", "bald", "hat")

read_space = TypeAdapter(Space).validate_python


def names(space: SearchSpace) -> list[str]:
    return [arm.name for arm in space.arms(STAGES, TASKS, FORMS)]


def only(block: dict[str, object]) -> Arm:
    (arm,) = read_space({"blocks": [block]}).arms(STAGES, TASKS, FORMS)
    return arm


def test_levels_that_change_nothing_are_one_arm():
    arms = names(
        read_space(
            {
                "blocks": [
                    {"placement": ["none", "late"], "form": "own", "grouping": "shared"},
                    {"form": "projection", "initialization": ["ones", "normal"], "activation": ["relu", "none"]},
                    {"form": ["low_rank", "low_rank(4)"]},
                    {"placement": "none", "grouping": "network_per_task", "balancing": ["equal", "pcgrad"]},
                ]
            }
        )
    )
    assert arms == ["shared", "late+projection", "late+low_rank(4)", "separate"]


def test_balancing_is_part_of_what_an_arm_is_but_the_ids_of_others_stay():
    equal, balanced = read_space({"blocks": [{"placement": "none", "balancing": ["equal", "pcgrad"]}]}).arms(
        STAGES, TASKS, FORMS
    )
    assert (equal.name, balanced.name) == ("shared", "shared+pcgrad")
    assert equal.arm_id == only({"placement": "none"}).arm_id != balanced.arm_id


def test_a_published_start_brings_its_activation():
    arm = only({"initialization": "astmt-sigmoid", "activation": "relu"})
    assert (arm.name, arm.levels["activation"]) == ("late+constant(10)+sigmoid", "sigmoid")
    written = read_space({"blocks": [{"initialization": "astmt-sigmoid"}]}).written()
    assert read_space(written).arms(STAGES, TASKS, FORMS) == (arm,)


def test_the_rivals_have_names_of_their_own():
    arms = names(CATALOG["rivals"])
    assert len(set(arms)) == len(arms) == 32
    assert {"shared+pcgrad", "embedding+own", "res5..fc+own", "all+task_routing", "all+low_rank_convolution(8)"} <= set(
        arms
    )
