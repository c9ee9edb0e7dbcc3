"""Creates a network from ``network.backbone: "module:function"`` by running that code."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config.network import NetworkConfig
from trainables.foundation.global_stream import global_stream
from trainables.foundation.registry import nearest
from trainables.networks.backbones.imported.backbone import ImportedBackbone, Maker
from trainables.networks.backbones.imported.probe import NetworkProbe, probe_network

KEY = "network.backbone"


def imported_backbone(network: NetworkConfig, image_size: int) -> ImportedBackbone:
    """Return the network that the user's function creates, on the meta device, as a backbone.

    Raises:
        ValueError: If the function cannot be found, called or run on the meta device, or its network cannot be
            modulated at ``network.points``.
    """
    make = partial(_make, network)
    module = on_meta(make)
    if network.batch_norm_momentum is not None:
        for norm in module.modules():
            if isinstance(norm, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - torch has no public API for it
                norm.momentum = network.batch_norm_momentum
    return ImportedBackbone(module, _probe(network, image_size), make)


def on_meta(make: Maker) -> nn.Module:
    """Return the network on the meta device, after checking that its tensors can be counted, moved and saved.

    Raises:
        ValueError: If it cannot be created there, shares a parameter, or keeps a tensor as a plain attribute.
    """
    try:
        with global_stream(0), torch.device("meta"):
            module = make()
    except (RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"{KEY}: the network must be built under torch.device('meta'), where tensors have no numbers: {error}"
        ) from error
    check_tensors(module)
    return module.to("meta").train()


def check_tensors(network: nn.Module) -> None:
    """Check that all tensors of a network can be counted, moved and saved.

    Raises:
        ValueError: If it shares a parameter between two places, or keeps a tensor as a plain attribute.
    """
    first: dict[int, str] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if (other := first.setdefault(id(parameter), name)) != name:
            raise ValueError(f"{KEY}: '{other}' and '{name}' are the same parameter, which is not supported")
    for name, module in network.named_modules():
        for attribute, value in vars(module).items():
            if isinstance(value, Tensor):
                place = f"{name}.{attribute}".removeprefix(".")
                raise ValueError(f"{KEY}: '{place}' is a plain tensor; make it a buffer (register_buffer)")  # noqa: TRY004


@lru_cache(maxsize=64)
def _probe(network: NetworkConfig, image_size: int) -> NetworkProbe:
    return probe_network(on_meta(partial(_make, network)), network.points, image_size)


def _make(network: NetworkConfig) -> nn.Module:
    made = _function(network)(**network.arguments)
    if not isinstance(made, nn.Module):
        raise ValueError(f"{KEY}: {network.backbone} must return a torch.nn.Module, got {type(made).__name__}")  # noqa: TRY004 - the user's value
    return made


def _function(network: NetworkConfig) -> Callable[..., Any]:
    """Return the function with this import path, after checking that it accepts the arguments."""
    place, _, name = network.backbone.partition(":")
    if not (name.isidentifier() and all(part.isidentifier() for part in place.split("."))):
        raise ValueError(f"{KEY}: an import path must be module:function, got {network.backbone!r}")
    module = _module(place, network.folder)
    if not hasattr(module, name):
        known = [known for known in vars(module) if not known.startswith("_")]
        raise ValueError(f"{KEY}: module '{place}' has no '{name}'{nearest(name, known)}")
    function = getattr(module, name)
    if not callable(function):
        raise ValueError(f"{KEY}: {network.backbone} must be callable, got {type(function).__name__}")  # noqa: TRY004 - the user's value
    try:
        inspect.signature(function).bind(**network.arguments)
    except TypeError as error:
        raise ValueError(f"network.arguments: {network.backbone}: {error}") from error
    return function  # type: ignore[no-any-return]


def _module(place: str, folder: Path | None) -> ModuleType:
    """Import a module, from ``folder`` if it is not installed."""
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # at the end, so that a file there does not shadow a library
        importlib.invalidate_caches()
    looked = f" in {folder} or" if folder is not None else ""
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
            raise ValueError(f"{KEY}: no module '{place}'{looked} on Python's module path") from error
        raise ValueError(f"{KEY}: module '{place}' cannot be imported: {error}") from error
    except (ImportError, SyntaxError) as error:
        raise ValueError(f"{KEY}: module '{place}' cannot be imported: {error}") from error
    _check_origin(place, folder)
    return module


def _check_origin(place: str, folder: Path | None) -> None:
    """Refuse a module from elsewhere if the folder contains one of this name."""
    top = place.partition(".")[0]
    found = getattr(sys.modules[top], "__file__", None)
    if folder is None or found is None:
        return
    meant = [path for path in (folder / f"{top}.py", folder / top / "__init__.py") if path.is_file()]
    if meant and not any(path.samefile(found) for path in meant):
        raise ValueError(f"{KEY}: '{top}' is {found}, not {meant[0]}; give the file another name")
