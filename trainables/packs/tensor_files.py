"""Files of tensors, each named by the SHA-256 of its bytes. Only safetensors, never pickle."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from trainables.foundation.files import remove_leftovers, write_atomically
from trainables.packs.errors import PackError
from trainables.packs.manifest import MANIFEST, TensorFile

TENSORS = "tensors"
_ENDING = ".safetensors"
_PICKLED = (b"PK\x03\x04", b"\x80")
"""How files of torch.save and of pickle begin."""


def write_tensors(folder: Path, tensors: Mapping[str, Tensor]) -> TensorFile:
    """Write tensors unless an equal file is there; a file appears with all of its bytes or not at all."""
    content = safetensors.torch.save({name: tensor.cpu().contiguous() for name, tensor in sorted(tensors.items())})
    bare = sum(tensor.nbytes for tensor in tensors.values())
    file = TensorFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), tensor_bytes=bare)
    keep_bytes(folder, file, content)
    return file


def keep_bytes(folder: Path, file: TensorFile, content: bytes) -> None:
    """Write the bytes of a file unless they are there."""
    path = _path(folder, file)
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, lambda out: out.write(content), writer=str(os.getpid()))


def read_bytes(folder: Path, file: TensorFile) -> bytes:
    """Return the bytes of a file after checking where it is, their number and their hash.

    Raises:
        PackError: The file is missing, leads out of the folder, is truncated, or its hash does not match.
    """
    path = _path(folder, file)
    if not path.exists():
        raise PackError(f"{path}: missing, and {folder / 'manifest.json'} names it; copy the file again")
    home = folder.resolve()
    if not path.resolve().is_relative_to(home) or not path.is_file():
        raise PackError(
            f"{path}: leads to {path.resolve()}, outside {home}; files of a pack must be inside: copy it there"
        )
    size = path.stat().st_size
    if size != file.bytes:
        damage = "truncated" if size < file.bytes else "too long"
        raise PackError(f"{path}: {damage}: {size} bytes, and the manifest says {file.bytes}; copy the file again")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise PackError(f"{path}: its hash does not match: the bytes hash to {found}; copy the file again")
    return content


def read_tensors(folder: Path, file: TensorFile, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file.

    Args:
        folder: The folder of packs.
        file: As the manifest describes it.
        expected: Tensors of the names, shapes and types that the network needs, on any device.

    Raises:
        PackError: As ``read_bytes``; the file is no safetensors, or a tensor is missing, unexpected, or of the wrong
            shape or type.
    """
    path, content = _path(folder, file), read_bytes(folder, file)
    if content.startswith(_PICKLED):
        raise PackError(f"{path}: pickled, which can run code and is never loaded; export it again as safetensors")
    try:
        found = safetensors.torch.load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise PackError(f"{path}: not a safetensors file ({error}); export the network again") from None
    for name in sorted({*found, *expected}):
        have, need = (_described(tensors.get(name)) for tensors in (found, expected))
        if have != need:
            raise PackError(f"{path}: tensor {name}: should be {need}, is {have}; export the network again")
    return found


def sweep(folder: Path, named: Iterable[str]) -> None:
    """Delete files of tensors that the manifest no longer names, and leftovers of killed writers; under the lock."""
    kept = {sha256 + _ENDING for sha256 in named}
    for path in (folder / TENSORS).glob(f"*{_ENDING}"):
        if path.name not in kept and len(path.stem) == 64:
            path.unlink(missing_ok=True)
    remove_leftovers(folder, MANIFEST)
    remove_leftovers(folder / TENSORS, f"*{_ENDING}")


def _path(folder: Path, file: TensorFile) -> Path:
    """Return the place of a file; the manifest gives no path, so it cannot lead elsewhere by itself."""
    return folder / TENSORS / f"{file.sha256}{_ENDING}"


def _described(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
