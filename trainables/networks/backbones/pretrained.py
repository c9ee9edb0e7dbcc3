"""Initial weights from a local file: read without executing code from it, and checked tensor by tensor."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from trainables.config.network import WeightsConfig
from trainables.foundation.damage import DAMAGE, compare_checksums
from trainables.foundation.files import bytes_hash

KEY = "network.weights.path"
_WRAPPERS = {"module.": "torch.nn.DataParallel", "_orig_mod.": "torch.compile"}
"""Name prefixes and the wrappers that add them."""

STEP_COUNT = "num_batches_tracked"
"""The step count of torch's batch norm, missing in old files; it has no effect if the momentum is a number."""


@torch.no_grad()
def load_pretrained(
    module: nn.Module,
    weights: WeightsConfig,
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    unsaved: Collection[str],
) -> None:
    """Load the tensors of a file into a module in place.

    Args:
        module: Keeps its values for tensors that the file need not contain.
        weights: The file.
        rename: Gives the file's tensors the module's names, and drops those that are left out by design.
        unsaved: Name prefixes of tensors that the file need not contain.

    Raises:
        ValueError: If the file cannot be read or does not match ``weights.content``, or a tensor is missing, unknown or
            of the wrong shape.
    """
    found = _fitted(module, weights, rename, unsaved)
    own = module.state_dict()
    for name, tensor in found.items():
        own[name].copy_(tensor)


def check_pretrained(
    module: nn.Module,
    weights: WeightsConfig,
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    unsaved: Collection[str],
) -> None:
    """Check by names and shapes that ``load_pretrained`` will accept the file; the module may be on the meta device.

    Raises:
        ValueError: As ``load_pretrained``.
    """
    _fitted(module, weights, rename, unsaved)


def _fitted(
    module: nn.Module,
    weights: WeightsConfig,
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    unsaved: Collection[str],
) -> dict[str, Tensor]:
    """Return the tensors of the file under the names of the module, after checking that all fit."""
    path = weights.path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{KEY}: {path} cannot be read: {error.strerror or error}") from error
    if weights.content not in (None, bytes_hash(content)):  # the hash of exactly the bytes parsed below
        raise ValueError(f"{KEY}: {path} does not match the hash network.weights.content {weights.content}")
    given = _parse(path, content)
    _refuse_wrapped(path, given, rename, module.state_dict())
    found = rename(given)
    own = module.state_dict()
    in_file = {new: old for old, tensor in given.items() for new in rename({old: tensor})}
    optional = {name for name in own if name.endswith(STEP_COUNT) or name.startswith(tuple(unsaved))}
    missing = [name for name in own if name not in found and name not in optional]
    for name in found:
        if name not in own:
            near = (get_close_matches(name, missing, n=1) or missing)[:1]
            meant = f", while the file lacks {near[0]!r}" if near else "; leave it out of the file"
            raise ValueError(f"{KEY}: {path} has a tensor that this network does not have: {in_file[name]!r}{meant}")
    for name in missing:
        near = get_close_matches(name, in_file, n=1)
        meant = f"; nearest name in the file: {in_file[near[0]]!r}" if near else ""
        raise ValueError(f"{KEY}: {path} has no tensor for {name!r}, {_shape(own[name])}{meant}")
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            raise ValueError(
                f"{KEY}: {path}: {in_file[name]!r} is {_shape(tensor)}, this network has {_shape(own[name])}"
            )
    return found


def _refuse_wrapped(
    path: Path,
    given: Mapping[str, Tensor],
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    own: Mapping[str, Tensor],
) -> None:
    """Explain the fix if the names would be known without a prefix common to all of them."""
    known = len(rename(given).keys() & own.keys())
    prefix = ""
    while rest := _first_part({name.removeprefix(prefix): None for name in given}):
        prefix += rest
        bare = {name.removeprefix(prefix): tensor for name, tensor in given.items()}
        if len(rename(bare).keys() & own.keys()) > known:
            wrapper = next((what for mark, what in _WRAPPERS.items() if mark in prefix), "a wrapper around the network")
            raise ValueError(
                f"{KEY}: {path}: its names begin with {prefix!r}, which {wrapper} adds; save them without it:"
                f" torch.save({{name.removeprefix({prefix!r}): tensor for name, tensor in state.items()}}, 'plain.pt')"
            )


def _first_part(names: Collection[str]) -> str:
    """Return the part up to the first dot, if all names begin with the same one and continue after it."""
    parts = {name.partition(".")[0] for name in names if "." in name}
    return f"{parts.pop()}." if len(parts) == 1 and all("." in name for name in names) else ""


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _parse(path: Path, stored: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of a torch file with a plain state dict."""
    try:
        if path.suffix == ".safetensors":
            return load(stored)
        if stored.startswith(b"PK"):  # torch's older format has no checksums
            compare_checksums(stored)
        content = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except (SafetensorError, *DAMAGE) as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"{KEY}: {path} is neither a safetensors file nor a plain torch state dict ({first_line})"
        ) from error
    if not _is_state_dict(content):
        for key, inner in content.items() if isinstance(content, dict) else ():
            if _is_state_dict(inner):
                raise ValueError(
                    f"{KEY}: {path} is a checkpoint with the weights under {key!r}; save only those:"
                    f" torch.save(checkpoint[{key!r}], 'plain.pt')"
                )
        kind = sorted(map(str, content))[:5] if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{KEY}: {path} must contain tensors by name (a state dict), got {kind}")
    return dict(content)


def _is_state_dict(content: object) -> bool:
    return isinstance(content, dict) and bool(content) and all(isinstance(value, Tensor) for value in content.values())
