"""Precision and determinism of a trial on CUDA; flags and warnings of torch exist without a GPU, too."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import suppress
from typing import Any

import pytest
import torch

from trainables.config.runtime import ComputeConfig
from trainables.training.numerics import cuda_numerics
from trainables.training.runtime import trial_runtime

NEWER = torch._C._get_fp32_precision_getter


@pytest.fixture(scope="module", autouse=True)
def _modules_of_torch_that_set_filters_are_loaded() -> None:
    torch.use_deterministic_algorithms(mode=False)


def process_state() -> tuple[Any, ...]:
    return (
        [NEWER("cuda", name) for name in ("all", "matmul", "conv", "rnn")],
        NEWER("generic", "all"),
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        list(warnings.filters),
        warnings.showwarning,
    )


def uses_tf32() -> tuple[bool, bool]:
    """Return whether matrix products and convolutions use TF32; both interfaces say the same."""
    older = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    assert older == (NEWER("cuda", "matmul") == "tf32", NEWER("cuda", "conv") == "tf32")
    assert torch.get_float32_matmul_precision() == ("high" if older[0] else "highest")  # raises where they differ
    return older


def fails_inside(compute: ComputeConfig) -> None:
    with cuda_numerics(compute, set()):
        raise RuntimeError("a trial fails")


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_every_setting_is_made_and_put_back(precision: str, deterministic: bool) -> None:
    compute = ComputeConfig(device="cuda", precision=precision, deterministic=deterministic)  # type: ignore[arg-type]
    before = process_state()
    with cuda_numerics(compute, set()):
        assert uses_tf32() == ((True, True) if precision == "tf32" else (False, False))
        assert torch.backends.cudnn.deterministic is deterministic
        assert torch.backends.cudnn.benchmark is not deterministic
        assert torch.are_deterministic_algorithms_enabled() is deterministic
        assert ("CUBLAS_WORKSPACE_CONFIG" in os.environ) is deterministic
    assert process_state() == before
    assert uses_tf32() == (False, True)
    with suppress(RuntimeError):
        fails_inside(compute)
    assert process_state() == before


@pytest.mark.parametrize("setting", [("generic", "all"), ("cuda", "matmul"), ("cuda", "conv")], ids="-".join)
def test_what_a_caller_has_set_by_either_interface_does_not_reach_the_trial(setting: tuple[str, str]) -> None:
    clean = process_state()
    before = {place: NEWER(*place) for place in (("generic", "all"), ("cuda", "conv"), ("cuda", "matmul"))}
    try:
        torch._C._set_fp32_precision_setter(*setting, "tf32" if setting[1] != "conv" else "ieee")
        theirs = process_state()
        with cuda_numerics(ComputeConfig(device="cuda"), set()):
            assert uses_tf32() == (False, False)
        assert process_state()[:8] == theirs[:8]
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True
        for place, value in before.items():
            torch._C._set_fp32_precision_setter(*place, value)
    assert process_state() == clean


def test_operations_without_a_deterministic_kernel_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """``put_`` has none on any device."""
    named: set[str] = set()
    with cuda_numerics(ComputeConfig(device="cuda"), named), caplog.at_level(logging.WARNING):
        for _ in range(2):
            torch.zeros(3).put_(torch.tensor([0]), torch.ones(1), accumulate=False)
        with pytest.warns(UserWarning, match="of another kind"):
            warnings.warn("of another kind", stacklevel=1)
    assert named == {"put_"}
    (line,) = caplog.messages
    assert line == "put_ has no deterministic kernel on this device: the bits of repeats may differ"
    free: set[str] = set()
    with cuda_numerics(ComputeConfig(device="cuda", deterministic=False), free):
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1), accumulate=False)
    assert not free


def test_what_cublas_says_is_understood(caplog: pytest.LogCaptureFixture) -> None:
    named: set[str] = set()
    with cuda_numerics(ComputeConfig(device="cuda"), named):
        text = "Deterministic behavior was enabled, but this operation is not deterministic because it uses CuBLAS"
        warnings.warn(f"{text} and you have CUDA >= 10.2.\nTo enable it ...", stacklevel=1)
    assert named == {"CuBLAS"}


def test_a_workspace_that_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with cuda_numerics(ComputeConfig(device="cuda"), set()):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the precision")
def test_tf32_is_refused_where_auto_finds_no_gpu() -> None:
    with (
        pytest.raises(ValueError, match=r"compute.precision: tf32 exists on the device cuda only"),
        trial_runtime(ComputeConfig(precision="tf32")),
    ):
        pass


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_precisions_differ_on_the_device_as_they_say() -> None:
    rng = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 256, generator=rng, dtype=torch.float64) for _ in range(2))
    exact = left @ right
    errors = {}
    for precision in ("fp32", "tf32"):
        with trial_runtime(ComputeConfig(device="cuda", precision=precision)) as runtime:  # type: ignore[arg-type]
            product = left.float().to(runtime.device) @ right.float().to(runtime.device)
            errors[precision] = float((product.double().cpu() - exact).abs().max())
    assert errors["fp32"] < 1e-4
    if torch.cuda.get_device_capability() >= (8, 0):
        assert errors["tf32"] > 10 * errors["fp32"]
