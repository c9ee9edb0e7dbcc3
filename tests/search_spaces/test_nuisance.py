"""Nuisance ranges: bounds, quantiles, and what each hyperparameter can take."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from search_spaces.nuisance import Choice, FloatRange, IntRange, Ranges, Values

RANGES, VALUES = TypeAdapter(Ranges), TypeAdapter(Values)


def read(name, written):
    """Return the range of a hyperparameter as its space reads it."""
    return RANGES.validate_python({name: written})[name]


quantiles = st.floats(0, 1, exclude_max=True)


@st.composite
def float_ranges(draw):
    log = draw(st.booleans())
    low = draw(st.floats(1e-9, 1e6) if log else st.floats(-1e6, 1e6))
    return FloatRange(low=low, high=low + draw(st.floats(1e-3, 1e6)), log=log)


@st.composite
def int_ranges(draw):
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -1000, 1000))
    return IntRange(low=low, high=low + draw(st.integers(1, 1000)), log=log)


@given(float_ranges() | int_ranges(), quantiles, quantiles)
def test_quantiles_stay_inside_and_never_turn_back(values, one, other):
    low, high = (values.at(quantile) for quantile in sorted((one, other)))
    tolerance = 1e-12 * max(abs(values.low), abs(values.high))
    assert values.low <= low <= high + tolerance
    assert high <= values.high
    assert type(low) is type(values.low)


@given(float_ranges())
def test_the_ends_of_a_range_are_reached(values):
    assert values.at(0) == pytest.approx(values.low, rel=1e-12)
    assert values.at(1 - 1e-15) == pytest.approx(values.high, rel=1e-9, abs=1e-6)


def test_the_middle_of_a_range():
    assert FloatRange(low=0.0, high=4.0).at(0.5) == 2.0
    assert FloatRange(low=1e-4, high=1e-2, log=True).at(0.5) == pytest.approx(1e-3)


def test_whole_numbers_and_choices_get_even_shares():
    grid = [(index + 0.5) / 1200 for index in range(1200)]
    assert Counter(IntRange(low=3, high=6).at(q) for q in grid) == dict.fromkeys(range(3, 7), 300)
    assert Counter(Choice((32, 16, 64)).at(q) for q in grid) == {32: 400, 16: 400, 64: 400}


def test_whole_numbers_by_logarithm_get_the_share_of_their_logarithm():
    grid = [(index + 0.5) / 10_000 for index in range(10_000)]
    shares = Counter(IntRange(low=1, high=7, log=True).at(q) for q in grid)
    for value in range(1, 8):
        assert shares[value] / 10_000 == pytest.approx(math.log((value + 1) / value) / math.log(8), abs=2e-4)


@given(float_ranges())
def test_a_float_range_reads_back(values):
    assert FloatRange.model_validate(values.model_dump()) == values


@given(int_ranges())
def test_a_range_of_whole_numbers_reads_back(values):
    assert IntRange.model_validate(values.model_dump()) == values


def test_scientific_notation_that_yaml_leaves_as_text_is_a_number():
    written = {"low": "1e-3", "high": "1e-1", "log": True}
    assert read("learning_rate", written) == FloatRange(low=1e-3, high=1e-1, log=True)


@pytest.mark.parametrize("quantile", [-0.1, 1.0, math.nan])
def test_a_quantile_outside_is_refused(quantile):
    for values in (FloatRange(low=0.0, high=1.0), IntRange(low=1, high=2), Choice((1, 2))):
        with pytest.raises(ValueError, match="must lie in"):
            values.at(quantile)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("margin", {"low": 0.3, "high": 0.1}, r"^n: low must be below high, got low=0.3, high=0.1$"),
        ("margin", {"low": 0.3, "high": math.inf}, r"^n.high: should be a finite number, got inf$"),
        ("margin", {"low": 0.0, "high": 1, "log": True}, r"^n: log: true needs low above 0, got low=0.0$"),
        ("margin", {"low": 0.3}, r"^n.high: missing"),
        ("margin", {"low": 0.3, "high": 0.5, "logg": True}, r"^n.logg: unknown key; did you mean 'log'\?$"),
        ("margin", {"low": True, "high": 0.5}, r"^n.low: should be a valid number, got True$"),
        ("margin", {"low": 0.1, "high": 0.5, "log": "yes"}, r"^n.log: should be a valid boolean, got 'yes'$"),
        ("margin", 0.3, r"^n: expected {low.*; a single value goes in 'fixed', got 0.3$"),
        ("margin", [0.3], r"^n: expected at least two distinct values, got \[0.3\]"),
        ("margin", [0.3, "x"], r"^n\[1\]: expected a number, got 'x'$"),
        ("batch_size", {"low": 24.0, "high": 48}, r"^n.low: should be a valid integer, got 24.0$"),
    ],
)
def test_what_is_refused(name, value, message, problem_of):
    problem = problem_of({"blocks": [{}], "nuisance": {name: value}})
    assert re.search(message, problem.replace(f"space.nuisance.{name}", "n", 1))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "learning_rte",
            FloatRange(low=0.1, high=0.2),
            r"learning_rte\s+Extra inputs are not permitted",
        ),
        ("learning_rate", FloatRange(low=0.0, high=0.2), r"must be above 0, got 0.0 "),
        ("weight_decay", FloatRange(low=-0.1, high=0.2), r"must be at least 0, got -0.1 "),
        ("margin", IntRange(low=1, high=2), r"takes real numbers"),
        ("images_per_batch", FloatRange(low=3, high=9), r"takes whole numbers"),
        ("images_per_batch", Choice((24, 48.0)), r"takes whole numbers"),
        ("images_per_batch", Choice((24, 2)), r"must be at least 3, got 2 "),
        ("images_per_batch", 2, r"must be at least 3, got 2 "),
        ("margin", math.nan, r"must be above 0, got nan "),
        ("margin", math.inf, r"must be above 0, got inf "),
    ],
)
def test_what_a_hyperparameter_cannot_take(name, values, message):
    with pytest.raises(ValueError, match=message):
        (RANGES if isinstance(values, FloatRange | IntRange | Choice) else VALUES).validate_python({name: values})


def test_what_a_hyperparameter_can_take():
    for name, values in [
        ("weight_decay", FloatRange(low=0.0, high=0.1)),
        ("margin", Choice((0.1, 0.2))),
        ("images_per_batch", IntRange(low=24, high=48)),
        ("images_per_batch", Choice((42, 84))),
    ]:
        assert read(name, values) == values
    assert VALUES.validate_python({"learning_rate": 1e-3}) == {"learning_rate": 1e-3}
