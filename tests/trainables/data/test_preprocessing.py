from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from trainables.data.preprocessing import to_network_input

CPU = torch.device("cpu")
Preprocessing = Literal["unit", "released", "imagenet"]


@pytest.fixture
def images() -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    images[1, 2, 3] = (255, 0, 51)
    images.setflags(write=False)
    return images


def pixel(images: np.ndarray, preprocessing: Preprocessing) -> list[float]:
    numbers: list[float] = to_network_input(images, CPU, False, preprocessing)[1, :, 2, 3].tolist()
    return numbers


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("preprocessing", ["unit", "released", "imagenet"])
def test_shape_type_and_layout(images: np.ndarray, channels_last: bool, preprocessing: Preprocessing) -> None:
    batch = to_network_input(images, CPU, channels_last, preprocessing)
    assert batch.shape == (3, 3, 4, 5)
    assert batch.dtype == torch.float32
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.is_contiguous(memory_format=layout)
    assert torch.equal(batch, to_network_input(images, CPU, not channels_last, preprocessing))


def test_unit_runs_from_minus_one_to_one_and_keeps_its_bits(images: np.ndarray) -> None:
    assert pixel(images, "unit") == pytest.approx([1, -1, -0.6])
    floats = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).to(torch.float32)
    assert torch.equal(to_network_input(images, CPU, False, "unit"), floats.div_(127.5).sub_(1.0))


def test_released_numbers_are_those_of_the_released_code_on_reversed_channels(images: np.ndarray) -> None:
    """train_mm.py, normalized_image, on channels stored blue, green, red."""
    expected = 0.0078125 * (images[..., ::-1].astype(np.float64) - np.array([102.9801, 115.9465, 122.7717]))
    found = to_network_input(images, CPU, True, "released").permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found[..., ::-1], expected, rtol=0, atol=1e-6)
    assert pixel(images, "released")[0] == pytest.approx((255 - 122.7717) / 128)  # red


def test_imagenet_standardises_each_channel(images: np.ndarray) -> None:
    red, green, blue = (1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225
    assert pixel(images, "imagenet") == pytest.approx([red, green, blue])


def test_other_arrays_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"images must be uint8 \(B, H, W, 3\), got float32"):
        to_network_input(images.astype(np.float32), CPU, False, "unit")
