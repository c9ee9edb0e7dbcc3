"""A task's network as an ONNX file: one graph with its weights, held against torch before it is written.

Needs the extra ``onnx``: torch's exporter uses onnx and onnxscript, and the check uses onnxruntime.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.data.preprocessing import formula
from trainables.foundation.files import write_atomically
from trainables.packs.errors import PackError
from trainables.packs.manifest import PackedModel

INPUT, OUTPUT = "images", "embeddings"
TOLERANCE = 1e-5
"""Largest difference of a number of an embedding between onnxruntime and torch."""

_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_BATCHES = (3, 1)


def write_onnx(path: Path, network: nn.Module, task: str, packed: PackedModel) -> None:
    """Write the network of a task; a file appears complete and checked, or not at all.

    Args:
        path: The file to write or to replace.
        network: Maps ``(B, 3, S, S)`` to ``(B, D)``, on the CPU and in evaluation mode.
        task: Its task.
        packed: What is known of it, for the metadata of the file.

    Raises:
        PackError: A package is missing, the network holds operations that ONNX lacks, or its embeddings in onnxruntime
            differ from torch's by more than 1e-5.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise PackError(f"{path}: needs the package {missing[0]}: pip install 'modulation-study[onnx]'")
    size = packed.images.size
    batch = torch.rand(max(_BATCHES), 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    content = _content(path, network, batch, _metadata(task, packed))
    _check(path, content, network, batch)
    write_atomically(path, lambda file: file.write(content), writer=str(os.getpid()))


def _content(path: Path, network: nn.Module, batch: Tensor, metadata: dict[str, str]) -> bytes:
    """Return the bytes of the file."""
    from torch.export import Dim

    with _quietly(), torch.no_grad():
        network(batch)  # makes the constants that networks keep, which must not be made while it is traced
        try:
            program = torch.onnx.export(
                network,
                (batch,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: Dim("batch")},),
                verbose=False,
            )
        except Exception as error:  # torch raises what its parts raise: a network of a user's own may hold anything
            reason = next(iter(str(error).splitlines()), "")
            raise PackError(f"{path}: this network has no ONNX form: {type(error).__name__}: {reason}") from error
    assert program is not None  # noqa: S101 - torch's promise for dynamo=True
    proto = program.model_proto
    _without_traces(proto)
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _without_traces(proto: Any) -> None:
    """Remove what the exporter notes of the code that it traced: it names paths of this machine."""
    del proto.metadata_props[:]
    for part in (proto.graph, *proto.functions):
        parts = [part, *part.node, *part.value_info]
        parts += [*part.input, *part.output, *part.initializer] if part is proto.graph else []
        for one in parts:
            one.ClearField("doc_string")
            one.ClearField("metadata_props")


def _check(path: Path, content: bytes, network: nn.Module, batch: Tensor) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for count in _BATCHES:
        images = batch[:count]
        with torch.inference_mode():
            expected = network(images)
        found = torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])
        difference = (found - expected).abs().max().item() if found.shape == expected.shape else float("inf")
        if not difference <= TOLERANCE:
            raise PackError(f"{path}: not written: in onnxruntime, embeddings differ from torch's by {difference:.3g}")


def _metadata(task: str, packed: PackedModel) -> dict[str, str]:
    """Return what a reader of the file has to know, as text; ``preprocessing`` is JSON."""
    scale, mean, deviation = formula(packed.images.preprocessing)
    size = packed.images.size
    preprocessing = {
        "size": size,
        "fit": packed.images.fit,
        "layout": f"float32 (batch, 3, {size}, {size}), channels red, green, blue",
        "pixels": "p from 0 to 255; input = (p / scale - mean) / deviation, by channel",
        "scale": scale,
        "mean": mean,
        "deviation": deviation,
    }
    known = {
        "task": task,
        "classes": json.dumps(packed.classes.get(task)),
        "preprocessing": json.dumps(preprocessing),
        "embedding": "unit vectors: similarity is the dot product" if packed.normalize else "not of unit length",
        "trial_id": packed.provenance.trial_id,
        "study": packed.provenance.study,
        "arm": packed.provenance.arm,
        "seed": str(packed.provenance.seed),
        "licence_of_the_data": packed.data.licence or "not known",
    }
    return {f"modulation_study.{key}": value for key, value in known.items()}


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence what the exporter says of packages that it could also use, and warnings of torch about itself."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(before)
