"""Images in any form, as the pixels on which evaluation works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from trainables.packs.errors import PackError
from trainables.packs.manifest import ImageSettings
from trainables.sources.reading.pixels import UndecodableImageError, decode_image, square_image

OneImage: TypeAlias = "str | Path | bytes | Image.Image | NDArray[np.uint8] | torch.Tensor"
Images: TypeAlias = "OneImage | Iterable[OneImage]"
"""A path, the bytes of a file, an image of Pillow, an array (H, W), (H, W, 3) or (N, H, W, 3) of uint8, a tensor
(3, H, W) or (N, 3, H, W) of uint8 or of fractions from 0 to 1; or any iterable of these."""


def pixels_of(images: Images, settings: ImageSettings) -> Iterator[NDArray[np.uint8]]:
    """Yield the pixels (S, S, 3) of each image, RGB, decoded and fitted as in evaluation.

    Raises:
        PackError: An image cannot be used; names its number and its path, if it has one, and why.
    """
    for number, image in enumerate(_single(images)):
        name = f"image {number}" + (f" ({image})" if isinstance(image, str | Path) else "")
        try:
            yield _pixels(image, settings)
        except UndecodableImageError as error:
            raise PackError(f"{name}: {error}") from error
        except OSError as error:
            raise PackError(f"{name}: cannot be read: {error.strerror or error}") from error
        except _UnusableError as error:
            raise PackError(f"{name}: {error}") from None


class _UnusableError(ValueError):
    """What is given is no image."""


def _single(images: Images) -> Iterator[OneImage]:
    """Yield one image after the other."""
    if isinstance(images, np.ndarray | torch.Tensor):
        yield from images if images.ndim == 4 else [images]
    elif isinstance(images, str | Path | bytes | Image.Image):
        yield images
    else:
        for image in images:
            yield from _single(image)


def _pixels(image: OneImage, settings: ImageSettings) -> NDArray[np.uint8]:
    if isinstance(image, str | Path):
        image = Path(image).read_bytes()
    if isinstance(image, bytes):
        return decode_image(image, settings.size, settings.fit, settings.max_pixels)
    if not isinstance(image, Image.Image):
        image = Image.fromarray(_array(image))
    return square_image(image, settings.size, settings.fit, settings.max_pixels)


def _array(image: NDArray[np.uint8] | torch.Tensor) -> NDArray[np.uint8]:
    """Return an array (H, W) or (H, W, 3) of uint8."""
    array = _of_tensor(image) if isinstance(image, torch.Tensor) else image
    if array.dtype != np.uint8 or (array.ndim, array.shape[2:]) not in ((2, ()), (3, (3,))):
        raise _UnusableError(
            f"{array.dtype} {array.shape}: an array should be uint8 (H, W, 3) or (H, W), a tensor (3, H, W)"
        )
    if not array.size:
        raise _UnusableError(f"{array.shape}: has no pixels")
    return array


def _of_tensor(image: torch.Tensor) -> NDArray[np.uint8]:
    pixels = image.detach().cpu()
    if pixels.is_floating_point():
        if not bool(((pixels >= 0) & (pixels <= 1)).all()):
            raise _UnusableError("a tensor of fractions should be from 0 to 1, not standardised; or give uint8")
        pixels = (255 * pixels.float()).round().to(torch.uint8)
    if pixels.ndim == 3:
        pixels = pixels.permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())
