"""Spaces that are refused: from a study file by dotted key, and in Python by their constructors."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter

from search_spaces import CATALOG, Block, SearchSpace
from search_spaces.catalog import Space
from trainables.networks.modulation import FORMS

STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
TASKS = ("smile", "bald", "hat")

read_space = TypeAdapter(Space).validate_python


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("defualt", r"^space: unknown search space 'defualt'; did you mean 'default'\?$"),
        ({"catalog": "defualt"}, r"^space.catalog: unknown search space 'defualt'; did you mean 'default'\?$"),
        ({"catalog": ["default"]}, r"^space.catalog: unknown search space \['default'\]; did you mean 'default'\?$"),
        ({"catalog": "default", "blocks": []}, r"^space: expected either 'catalog' or 'blocks'"),
        ({}, r"^space: expected either 'catalog' or 'blocks', got the keys none$"),
        ({"blocks": []}, r"^space.blocks: expected at least one entry"),
        ({"blocks": {"placement": "late"}}, r"^space.blocks: expected a list"),
        ({"block": []}, r"^space.block: unknown key; did you mean 'blocks'\?$"),
        ({"blocks": [{"placment": []}]}, r"^space.blocks\[0\].placment: .*did you mean 'placement'\?$"),
        ({"blocks": [{"placement": []}]}, r"^space.blocks\[0\].placement: expected at least one entry"),
        ({"blocks": [{}, {"placement": ["lat"]}]}, r"^space.blocks\[1\].placement\[0\]: unknown placement 'lat'"),
        ({"blocks": [{"form": "Scale!"}]}, r"^space.blocks\[0\].form: expected a form such as scale or low_rank"),
        ({"blocks": [{"form": ["low_rank(0)"]}]}, r"^space.blocks\[0\].form\[0\]: the number of a form must be"),
        ({"blocks": [{"balancing": ["PC Grad"]}]}, r"^space.blocks\[0\].balancing\[0\]: expected the name of a balanc"),
        ({"blocks": [{"activation": ["Relu"]}]}, r"^space.blocks\[0\].activation\[0\]: .*did you mean 'relu'\?$"),
        (
            {"blocks": [{"activation": None}]},
            r"^space.blocks\[0\].activation: unknown activation None; did you mean 'none'",
        ),
        (
            {"blocks": [{}], "nuisance": {"lr": [1, 2]}},
            r"^space.nuisance.lr: unknown key; known: batch_size, embedding_l2, ",
        ),
        ({"blocks": [{}], "nuisance": {"margin": [0.0, 1.0]}}, r"^space.nuisance.margin: must be above 0, got 0.0$"),
        ({"blocks": [{}], "fixed": {"margin": [0.1]}}, r"^space.fixed.margin: should be a valid number, got \[0.1\]$"),
        ({"catalog": "default", "fixed": {"margin": 0.1}}, r"^space.fixed.margin: also has a range"),
        (
            {"blocks": [{}], "fixed": {"batch_size": -(10**400)}},
            r"^space.fixed.batch_size: must be at least 3, got -1000",
        ),
        (
            7,
            r"^space: expected a name or a mapping with the keys catalog, blocks, .*, budget, tune_own, got 7$",
        ),
    ],
)
def test_what_is_refused(value, message, problem_of):
    assert re.search(message, problem_of(value))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"placement": [["res44"]]}, r"^blocks\[0\].placement: unknown stage 'res44'; did you mean 'res4'\?$"),
        (
            {"form": "scale(3)"},
            r"^blocks\[0\].form: form 'scale' takes no number, got 3; forms that do: low_rank\(4\)",
        ),
        ({"form": "scal"}, r"^blocks\[0\].form: unknown form 'scal'; did you mean 'scale'\?$"),
        ({"grouping": {"groups": [["hatt"]]}}, r"^blocks\[0\].grouping: unknown task 'hatt'; did you mean 'hat'\?$"),
    ],
)
def test_unknown_stages_and_tasks_are_refused_with_their_place(block, message):
    with pytest.raises(ValueError, match=message):
        read_space({"blocks": [block]}).arms(STAGES, TASKS, FORMS)


def test_constructors_refuse_what_the_file_could_not_say():
    with pytest.raises(ValueError, match=r"blocks\s+Value error, expected at least one entry"):
        SearchSpace(blocks=())
    with pytest.raises(ValueError, match=r"placement\s+Value error, expected at least one entry"):
        Block(placement=())
    with pytest.raises(ValueError, match=r"unknown activation 'tanh'"):
        Block(activation=("tanh",))
    with pytest.raises(ValueError, match=r"arms need stages and tasks"):
        CATALOG["default"].arms((), TASKS, FORMS)
