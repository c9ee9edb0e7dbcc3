"""Initialization levels: what they may be, their names, and the published ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.factors.initialization import (
    INITIALIZATION,
    KINDS,
    PUBLISHED,
    Constant,
    Disjoint,
    Normal,
    Ones,
    Uniform,
)
from trainables.config.modulation import InitializationConfig

numbers = st.floats(-1e6, 1e6)


@st.composite
def levels(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    chosen = {name: draw(numbers) for name in KINDS[kind].numbers()}
    if kind == "normal":
        chosen["std"] = draw(st.floats(1e-9, 1e6))
    if kind == "uniform":
        chosen["high"] = chosen["low"] + draw(st.floats(1e-3, 1e6))
    if kind == "binary":
        chosen["keep"] = draw(st.floats(0.01, 0.99))
    return KINDS[kind](trainable=draw(st.booleans()), **chosen)


@given(levels())
def test_a_level_reads_back_from_its_name_and_from_its_mapping(level):
    assert INITIALIZATION.validate_python(level.name) == level
    assert INITIALIZATION.validate_python(level.to_dict()) == level


@given(levels(), levels())
def test_names_are_equal_exactly_when_levels_are(one, other):
    assert (one.name == other.name) == (one == other)


@given(levels())
def test_the_trainable_understands_every_level(level):
    assert InitializationConfig().model_dump() | level.to_dict() == InitializationConfig(**level.to_dict()).model_dump()


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
    assert INITIALIZATION.validate_python("csn-learned") == Normal(mean=0.9, std=0.7)


def test_short_names_take_the_default_numbers():
    assert INITIALIZATION.validate_python("normal").name == "normal(1,0.1)"
    assert INITIALIZATION.validate_python("disjoint-frozen").name == "disjoint(0)-frozen"
    assert INITIALIZATION.validate_python("uniform( 0.5, 1 )").name == "uniform(0.5,1)"


def test_scientific_notation_that_yaml_leaves_as_text_is_a_number():
    assert INITIALIZATION.validate_python({"kind": "normal", "std": "1e-3"}).std == 1e-3


def test_a_sea_of_ones_is_ones():
    ones = Ones()
    assert Constant(value=1.0).canonical() == ones
    assert Disjoint(off=1.0).canonical() == ones
    assert Constant(value=0.5).canonical() != ones
    assert Constant(trainable=False).canonical() == Ones(trainable=False)


@pytest.mark.parametrize(
    ("level", "non_negative"),
    [
        (Ones(), False),
        (Ones(trainable=False), True),
        (PUBLISHED["csn-fixed"], True),
        (PUBLISHED["csn-blocks"], False),
        (Disjoint(trainable=False, off=-0.1), False),
        (Uniform(trainable=False), True),
        (Normal(trainable=False, mean=9.0), False),
    ],
)
def test_which_vectors_can_never_fall_below_zero(level, non_negative):
    assert level.stays_non_negative is non_negative


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("normel", r"^@: unknown initialization 'normel'; did you mean 'normal'\?$"),
        ("csn-fix", r"^@: unknown initialization 'csn-fix'; did you mean 'csn-fixed'\?$"),
        ("normal(1)", r"^@: 'normal' takes the numbers mean, std, got 'normal\(1\)'$"),
        ("ones(2)", r"^@: 'ones' takes the numbers none"),
        ("normal(a,b)", r"^@: expected numbers in brackets"),
        ("normal(nan,1)", r"^@.mean: should be a finite number, got nan$"),
        ({"kind": "normal", "std": 0}, r"^@.std: should be greater than 0, got 0$"),
        ({"kind": "uniform", "low": 1, "high": 1}, r"^@: low must be below high, got low=1.0, high=1.0$"),
        ({"kind": "uniform", "std": 1}, r"^@.std: unknown key; known: activation, high, kind, low, trainable$"),
        ({"kind": "ones", "trainabel": True}, r"^@.trainabel: unknown key; did you mean 'trainable'\?$"),
        ({"kind": "ones", "trainable": 1}, r"^@.trainable: should be a valid boolean, got 1$"),
        ({"kind": "normal", "mean": "much"}, r"^@.mean: should be a valid number, got 'much'$"),
        ({"mean": 1}, r"^@.kind: missing; this key is required$"),
        (3, r"^@: expected a name such as normal\(0.9,0.7\), or a mapping with a kind, got 3$"),
    ],
)
def test_what_is_refused(value, message, refusal_of):
    assert re.search(message, refusal_of("initialization", value))


def test_numbers_of_another_kind_are_refused_by_the_class():
    with pytest.raises(ValueError, match=r"std\s+Extra inputs are not permitted"):
        Ones(std=0.7)


def test_a_start_may_bring_its_own_activation():
    start = INITIALIZATION.validate_python({"kind": "constant", "value": 2, "activation": "softplus"})
    assert INITIALIZATION.validate_python(start.model_dump()) == start != Constant(value=2)
    assert start.canonical() == Constant(value=2)
    assert INITIALIZATION.validate_python("astmt-sigmoid").model_dump() == "astmt-sigmoid"
