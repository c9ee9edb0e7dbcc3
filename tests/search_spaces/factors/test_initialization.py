"""Initialization levels: what they may be, their names, and the published ones."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.factors.initialization import PARAMETERS, PUBLISHED, InitializationLevel, parse_initialization
from trainables.config.modulation import InitializationConfig

numbers = st.floats(-1e6, 1e6)


@st.composite
def levels(draw):
    kind = draw(st.sampled_from(sorted(PARAMETERS)))
    chosen = {name: draw(numbers) for name in PARAMETERS[kind]}
    if kind == "normal":
        chosen["std"] = draw(st.floats(1e-9, 1e6))
    if kind == "uniform":
        chosen["high"] = chosen["low"] + draw(st.floats(1e-3, 1e6))
    if kind == "binary":
        chosen["keep"] = draw(st.floats(0.01, 0.99))
    return InitializationLevel(kind, draw(st.booleans()), **chosen)


@given(levels())
def test_a_level_reads_back_from_its_name_and_from_its_mapping(level):
    assert parse_initialization(level.name, "key") == level
    assert parse_initialization(level.plain(), "key") == level


@given(levels(), levels())
def test_names_are_equal_exactly_when_levels_are(one, other):
    assert (one.name == other.name) == (one == other)


@given(levels())
def test_the_trainable_understands_every_level(level):
    numbers = {name: value for name, value in asdict(level).items() if name != "activation"}
    assert InitializationConfig(**numbers).model_dump() == numbers


def test_published_starts_are_those_of_their_papers():
    assert {name: level.name for name, level in PUBLISHED.items()} == {
        "csn-fixed": "disjoint(0)-frozen",
        "csn-learned": "normal(0.9,0.7)",
        "csn-blocks": "disjoint(0.1)",
        "astmt-uniform": "uniform(0,1)",
        "astmt-sigmoid": "constant(10)",
        "routing-binary": "binary(0.5)-frozen",
        "piggyback-scores": "constant(0.01)",
    }
    activations = {name: level.activation for name, level in PUBLISHED.items() if level.activation}
    assert activations == {"astmt-sigmoid": "sigmoid", "piggyback-scores": "threshold"}
    assert parse_initialization("csn-learned", "key") == InitializationLevel("normal", mean=0.9, std=0.7)


def test_short_names_take_the_default_numbers():
    assert parse_initialization("normal", "key").name == "normal(1,0.1)"
    assert parse_initialization("disjoint-frozen", "key").name == "disjoint(0)-frozen"
    assert parse_initialization("uniform( 0.5, 1 )", "key").name == "uniform(0.5,1)"


def test_scientific_notation_that_yaml_leaves_as_text_is_a_number():
    assert parse_initialization({"kind": "normal", "std": "1e-3"}, "key").std == 1e-3


def test_a_sea_of_ones_is_ones():
    ones = InitializationLevel()
    assert InitializationLevel("constant", value=1.0).canonical() == ones
    assert InitializationLevel("disjoint", off=1.0).canonical() == ones
    assert InitializationLevel("constant", value=0.5).canonical() != ones
    assert InitializationLevel("constant", trainable=False).canonical() == InitializationLevel(trainable=False)


@pytest.mark.parametrize(
    ("level", "non_negative"),
    [
        (InitializationLevel(), False),
        (InitializationLevel(trainable=False), True),
        (PUBLISHED["csn-fixed"], True),
        (PUBLISHED["csn-blocks"], False),
        (InitializationLevel("disjoint", trainable=False, off=-0.1), False),
        (InitializationLevel("uniform", trainable=False), True),
        (InitializationLevel("normal", trainable=False, mean=9.0), False),
    ],
)
def test_which_vectors_can_never_fall_below_zero(level, non_negative):
    assert level.stays_non_negative is non_negative


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("normel", r"^i: unknown initialization 'normel'; did you mean 'normal'\?$"),
        ("csn-fix", r"^i: unknown initialization 'csn-fix'; did you mean 'csn-fixed'\?$"),
        ("normal(1)", r"^i: 'normal' takes the numbers mean, std, got 'normal\(1\)'$"),
        ("ones(2)", r"^i: 'ones' takes the numbers none"),
        ("normal(a,b)", r"^i: expected numbers in brackets"),
        ("normal(nan,1)", r"^i: mean must be finite, got nan$"),
        ({"kind": "normal", "std": 0}, r"^i: std must be above 0, got 0.0$"),
        ({"kind": "uniform", "low": 1, "high": 1}, r"^i: low must be below high, got low=1.0, high=1.0$"),
        ({"kind": "uniform", "std": 1}, r"^i.std: 'std' is not a number of kind 'uniform', which takes low, high$"),
        ({"kind": "ones", "trainabel": True}, r"^i.trainabel: unknown key 'trainabel'; did you mean 'trainable'\?$"),
        ({"kind": "ones", "trainable": 1}, r"^i.trainable: expected true or false, got 1$"),
        ({"kind": "normal", "mean": "much"}, r"^i.mean: expected a number, got 'much'$"),
        ({"mean": 1}, r"^i.kind: missing; one of ones, constant"),
        (3, r"^i: expected a mapping"),
    ],
)
def test_what_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        parse_initialization(value, "i")


def test_numbers_of_another_kind_are_refused_by_the_constructor():
    with pytest.raises(ValueError, match="'std' is not a number of kind 'ones', which takes none"):
        InitializationLevel("ones", std=0.7)
