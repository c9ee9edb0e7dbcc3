"""Modules by names that may contain dots, as the module names of a network do."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping

from torch import nn

_DOT = "/"
"""Replaces the dot inside torch, which treats a dot in a name as a step down the module tree."""


class NamedModules(nn.ModuleDict):
    """A ``ModuleDict`` whose names may contain dots; in a state dict they become slashes."""

    def __getitem__(self, key: str) -> nn.Module:
        """Return the module with this name."""
        return super().__getitem__(key.replace(".", _DOT))

    def __setitem__(self, key: str, module: nn.Module) -> None:
        """Store a module under a name."""
        super().__setitem__(key.replace(".", _DOT), module)

    def __contains__(self, key: str) -> bool:
        """Return whether there is a module with this name."""
        return super().__contains__(key.replace(".", _DOT))

    def __iter__(self) -> Iterator[str]:
        """Return the names in order."""
        return iter(self._by_name())

    def keys(self) -> KeysView[str]:
        """Return the names in order."""
        return self._by_name().keys()

    def items(self) -> ItemsView[str, nn.Module]:
        """Return names with modules, in order."""
        return self._by_name().items()

    def _by_name(self) -> Mapping[str, nn.Module]:
        return {key.replace(_DOT, "."): module for key, module in self._modules.items() if module is not None}
