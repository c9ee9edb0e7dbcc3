"""Modules under names with dots."""

from __future__ import annotations

from torch import nn

from trainables.networks.named_modules import NamedModules


def test_names_with_dots_are_names() -> None:
    modules = NamedModules({"a.b": nn.Linear(2, 2), "c": nn.Identity()})
    assert list(modules) == list(modules.keys()) == ["a.b", "c"]
    assert "a.b" in modules
    assert "a" not in modules
    assert dict(modules.items())["a.b"] is modules["a.b"]
    assert set(modules.state_dict()) == {"a/b.weight", "a/b.bias"}
