"""Every argument of every public method of a study: a wrong type is a ``UserError`` that names it, before any work."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from study import Study, UserError

WRONG: dict[str, object] = {"str": "x", "int": 3, "float": 2.5, "bool": True, "object": object(), "list": [object()]}
"""A value of each type; ``object`` and ``list`` are wrong for every argument."""

ADMITTED = {"int": ("int", "float"), "float": ("float",), "bool": ("bool", "Chosen"), "str": ("str", "Path")}
"""Words of an annotation that admit a value."""

REQUIRED = {
    "values": {"name": "a", "data": {"tasks": ["Smiling"], "image_size": 48}},
    "images": "no-such-folder",
    "ours": "late",
    "theirs": "shared",
    "study": "smoke",
}


def public_methods() -> Iterator[tuple[str, Any]]:
    yield "Study", Study
    for name, method in inspect.getmembers(Study, callable):
        if not name.startswith("_"):
            yield name, method


def wrong_arguments() -> Iterator[Any]:
    for name, method in public_methods():
        for parameter in inspect.signature(method).parameters.values():
            if parameter.name == "self" or parameter.kind is inspect.Parameter.VAR_KEYWORD:
                continue
            words = str(parameter.annotation)
            for kind, value in WRONG.items():
                if not any(word in words for word in ADMITTED.get(kind, ())):
                    yield pytest.param(name, parameter, value, id=f"{name}-{parameter.name}-{kind}")


@pytest.mark.parametrize(("name", "parameter", "value"), list(wrong_arguments()))
def test_a_wrong_type_is_a_user_error_that_names_the_argument(
    name: str, parameter: inspect.Parameter, value: object, tmp_path: Path
) -> None:
    method = Study if name == "Study" else getattr(Study("smoke", folder=tmp_path / "smoke"), name)
    others = {
        other.name: REQUIRED[other.name]
        for other in inspect.signature(method).parameters.values()
        if other.default is inspect.Parameter.empty and other.name in REQUIRED and other.name != parameter.name
    }
    positional = parameter.kind is inspect.Parameter.VAR_POSITIONAL
    given, named = ((value,), {}) if positional else ((), {**others, parameter.name: value})
    with pytest.raises(UserError) as refused:
        method(*given, **named)
    assert str(refused.value).startswith(f"{parameter.name}: ")
    assert "--" not in str(refused.value)


def test_every_method_with_arguments_is_covered() -> None:
    covered = {param.values[0] for param in wrong_arguments()}
    assert covered >= {"Study", "from_dict", "from_images", "plan", "run", "figure", "storage", "export", "report"}
    assert covered >= {"compare", "beside"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"images": ("a",)}, "images: should be a whole number from 1 to 1,000,000,000,000,000, got 'a'"),
        ({"images": ()}, "images: needs at least one value"),
        ({"images": (1.5,)}, "images: should be a whole number from 1 to 1,000,000,000,000,000, got 1.5"),
        ({"tasks": 2.5}, "tasks: should be a whole number from 1 to 1,000,000,000, got 2.5"),
        ({"tasks": 10**9 + 1}, "tasks: should be a whole number from 1 to 1,000,000,000, got 1000000001"),
        ({"budget": {"bytes": "x"}}, "budget: bytes: should be a number from 1 to 1e+30, got 'x'"),
        ({"budget": {"byte": 1}}, "budget: unknown 'byte'; known: bytes, multiply_adds"),
    ],
)
def test_values_that_break_a_rule_are_named(arguments: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        Study("smoke", folder=tmp_path / "smoke").storage(**arguments)
    assert str(refused.value) == problem
