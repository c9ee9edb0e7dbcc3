"""An error names its file and its key once, and what is no user's error passes unchanged."""

from __future__ import annotations

import pytest

from study.definition.validation import error_context
from study.errors import UserError


@pytest.mark.parametrize(
    ("key", "file", "said", "expected"),
    [
        ("data", None, "no such folder", "data: no such folder"),
        ("data", None, "data.tasks: empty", "data.tasks: empty"),  # it names its key itself
        ("data", "s.yaml", "no such\n folder", "s.yaml: data: no such folder"),
        ("", None, "no such folder", "no such folder"),
    ],
)
def test_a_leafs_error_gets_file_and_key(key: str, file: str | None, said: str, expected: str) -> None:
    with pytest.raises(UserError) as raised, error_context(key, file=file):
        raise ValueError(said)
    assert str(raised.value) == expected


def test_contexts_nest_and_without_a_key_our_own_errors_pass() -> None:
    with pytest.raises(UserError, match=r"^s\.yaml: data: gone$"), error_context(file="s.yaml"), error_context("data"):
        raise ValueError("gone")
    with pytest.raises(ValueError, match=r"^ours$"), error_context(file="s.yaml"):
        raise ValueError("ours")
