"""The examples of the docstrings, run as they are written."""

from __future__ import annotations

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import search_spaces

MODULES = [module.name for module in walk_packages(search_spaces.__path__, "search_spaces.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_everything_public_is_found_and_nothing_else() -> None:
    for name in search_spaces.__all__:
        assert getattr(search_spaces, name) is not None
    with pytest.raises(AttributeError, match="parse_space"):
        search_spaces.parse_space  # noqa: B018 - the look-up itself is tested
