"""How kernels round and order their arithmetic in one trial. Settings of the process, each put back afterwards.

torch 2.13 has two interfaces for TF32, and reading the older one raises where the newer one was written. As
``torch.compile`` reads the older one, it is the one written here. What a caller had set is read and put back by the
newer one, which never raises.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.utils.deterministic

from trainables.config.runtime import REPEATABLE_CUBLAS, ComputeConfig

_log = logging.getLogger(__name__)

_FP32_SETTINGS = (("generic", "all"), ("cuda", "all"), ("cuda", "matmul"), ("cuda", "conv"), ("cuda", "rnn"))
_INHERITED = _FP32_SETTINGS[:2]
"""What those below them use where they are ``none``."""

_ALERT = r"(\w+) does not have a deterministic implementation|.*not deterministic because it uses (CuBLAS)"
"""Both messages of torch about an operation whose bits may differ between runs (``Context::alertNotDeterministic``)."""


@contextmanager
def cpu_numerics() -> Iterator[None]:
    """Allow deterministic kernels only; others raise. The CPU has no faster ones worth having."""
    with _deterministic_kernels(mode=True, warn_only=False):
        yield


@contextmanager
def cuda_numerics(compute: ComputeConfig, unrepeatable: set[str]) -> Iterator[None]:
    """Set precision and determinism of a trial on CUDA.

    Args:
        compute: The section of the trial.
        unrepeatable: Receives the names of operations that ran although they have no deterministic kernel; empty
            unless ``compute.deterministic``.
    """
    with ExitStack() as stack:
        stack.enter_context(_fp32_precision(tf32=compute.precision == "tf32"))
        cudnn = torch.backends.cudnn
        stack.enter_context(_attribute(cudnn, "enabled", value=True))
        stack.enter_context(_attribute(cudnn, "benchmark", value=not compute.deterministic))
        stack.enter_context(_attribute(cudnn, "deterministic", value=compute.deterministic))
        stack.enter_context(_deterministic_kernels(mode=compute.deterministic, warn_only=True))
        if compute.deterministic:
            stack.enter_context(_environment(REPEATABLE_CUBLAS))
            stack.enter_context(_naming(unrepeatable))
        yield


@contextmanager
def _fp32_precision(*, tf32: bool) -> Iterator[None]:
    """Let matrix products and convolutions of fp32 tensors use TF32, or nothing but fp32."""
    setter: Callable[[str, str, str], str] = torch._C._set_fp32_precision_setter  # noqa: SLF001 - raises on no mix
    getter: Callable[[str, str], str] = torch._C._get_fp32_precision_getter  # noqa: SLF001
    before: dict[tuple[str, str], str] = {}
    try:
        for setting in _FP32_SETTINGS:
            before[setting] = getter(*setting)
            if setting in _INHERITED:  # so that what is read next is its own
                setter(*setting, "none")
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before["cuda", "matmul"] == "tf32"
        torch.backends.cudnn.allow_tf32 = before["cuda", "conv"] == "tf32"
        for setting, value in reversed(before.items()):
            setter(*setting, value)


@contextmanager
def _deterministic_kernels(*, mode: bool, warn_only: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(mode=mode, warn_only=warn_only)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time, has no effect
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]


@contextmanager
def _attribute(owner: Any, name: str, *, value: bool) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _environment(defaults: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set; cuBLAS reads its own when the first product of a process is computed."""
    missing = [name for name in defaults if name not in os.environ]
    os.environ.update({name: defaults[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


@contextmanager
def _naming(unrepeatable: set[str]) -> Iterator[None]:
    """Collect the operations of which torch warns that their bits may differ, and log each once."""
    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.filterwarnings("always", message=_ALERT)

        def showing(message: Warning | str, *details: Any, **more: Any) -> None:
            found = re.match(_ALERT, str(message), re.DOTALL)
            if found is None:
                show(message, *details, **more)
            elif (name := str(found[1] or found[2])) not in unrepeatable:
                unrepeatable.add(name)
                _log.warning("%s has no deterministic kernel on this device: the bits of repeats may differ", name)

        warnings.showwarning = showing
        yield
