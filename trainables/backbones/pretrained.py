"""Start weights from a local file: read without running anything in it, and fitted tensor by tensor."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from trainables.checkpoint import DAMAGE, compare_checksums
from trainables.config import WeightsConfig
from trainables.file_hash import bytes_hash
from trainables.names import nearest

KEY = "network.weights.path"
STEP_COUNT = "num_batches_tracked"
"""The step count of torch's batch norm, which old files lack; it acts on nothing while the momentum is a number."""


@torch.no_grad()
def load_pretrained(
    module: nn.Module,
    weights: WeightsConfig,
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    unsaved: Collection[str],
) -> None:
    """Put the tensors of a file into a module in place.

    Args:
        module: Keeps what the file need not hold.
        weights: The file.
        rename: Gives the file's tensors the module's names and drops those that are left out by design.
        unsaved: Beginnings of names that the file need not hold.

    Raises:
        ValueError: If the file cannot be read, is another one than ``weights.content`` says, or a tensor is missing,
            not known or of another shape.
    """
    path = weights.path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{KEY}: {path} cannot be read: {error.strerror or error}") from error
    if weights.content not in (None, bytes_hash(content)):  # of the very bytes that are parsed below
        raise ValueError(f"{KEY}: {path} holds other bytes than network.weights.content {weights.content} says")
    found = rename(_parse(path, content))
    own = module.state_dict()
    optional = {name for name in own if name.endswith(STEP_COUNT) or name.startswith(tuple(unsaved))}
    for name in found:
        if name not in own:
            raise ValueError(f"{KEY}: {path} holds a tensor this network does not have: {name!r}{nearest(name, own)}")
    for name, tensor in own.items():
        if name not in found and name not in optional:
            raise ValueError(f"{KEY}: {path} holds no tensor for {name!r}, {_shape(tensor)}")
        if name in found and found[name].shape != tensor.shape:
            raise ValueError(f"{KEY}: {path}: {name!r} is {_shape(found[name])}, this network has {_shape(tensor)}")
    for name, tensor in found.items():
        own[name].copy_(tensor)


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _parse(path: Path, stored: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of a torch file that holds a plain state dict."""
    try:
        if path.suffix == ".safetensors":
            return load(stored)
        if stored.startswith(b"PK"):  # torch's older format holds no checksums
            compare_checksums(stored)
        content = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except (SafetensorError, *DAMAGE) as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"{KEY}: {path} holds neither safetensors nor a plain torch state dict ({first_line})"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        kind = sorted(map(str, content))[:5] if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{KEY}: {path} must hold tensors by name (a state dict), got {kind}")
    return dict(content)
