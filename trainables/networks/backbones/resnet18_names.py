"""Maps the tensor names of a ResNet-18 from torchvision or transformers to those of ``csn_resnet18``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

LEFT_OUT = ("layer4.", "fc.")
"""The parts missing in ``csn_resnet18``: the last group of blocks and the classifier (torchvision's names)."""

_TRANSFORMERS = (
    (r"^resnet\.", ""),
    (r"^embedder\.embedder\.convolution\.", "conv1."),
    (r"^embedder\.embedder\.normalization\.", "bn1."),
    (r"^encoder\.stages\.(\d)\.layers\.(\d)\.shortcut\.convolution\.", r"layer\1.\2.downsample.0."),
    (r"^encoder\.stages\.(\d)\.layers\.(\d)\.shortcut\.normalization\.", r"layer\1.\2.downsample.1."),
    (r"^encoder\.stages\.(\d)\.layers\.(\d)\.layer\.(\d)\.convolution\.", r"layer\1.\2.conv\3."),
    (r"^encoder\.stages\.(\d)\.layers\.(\d)\.layer\.(\d)\.normalization\.", r"layer\1.\2.bn\3."),
    (r"^classifier\.1\.", "fc."),
)
"""Patterns and replacements, applied in order. Numbers in these names start at 0, see ``_from_transformers``."""


def resnet18_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a ResNet-18's tensors under the names of ``csn_resnet18``, without step counts and ``LEFT_OUT``.

    A name of neither kind is returned unchanged, so that loading refuses it.
    """
    found = {}
    for name, tensor in tensors.items():
        common = _from_transformers(name)
        if common.endswith(".num_batches_tracked") or common.startswith(LEFT_OUT):
            continue
        found[_ours(common)] = tensor
    return found


def _from_transformers(name: str) -> str:
    """Return torchvision's name for one from transformers, which counts stages and layers of a block from 0, not 1."""
    for pattern, replacement in _TRANSFORMERS:
        name, replaced = re.subn(pattern, replacement, name)
        if replaced and "layer" in replacement:
            name = re.sub(r"^layer(\d)", lambda found: f"layer{int(found[1]) + 1}", name)
            return re.sub(r"\.(conv|bn)(\d)\.", lambda found: f".{found[1]}{int(found[2]) + 1}.", name)
    return name


def _ours(name: str) -> str:
    if re.match(r"^(conv1|bn1)\.", name):
        return f"stages.stem.{name}"
    return f"stages.{name}" if re.match(r"^layer[123]\.", name) else name
