from __future__ import annotations

import pytest
import torch

from trainables.config.training import AugmentationConfig
from trainables.config.trial import TrialConfig
from trainables.foundation.seeds import named_seed
from trainables.training.augmentation import augment

SEED, STEP = 7, 11


def pictures(count: int = 40, height: int = 6, width: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, height, width, 3), generator=generator, dtype=torch.uint8)


def one_by_one(pixels: torch.Tensor, crop: int, flip: bool) -> torch.Tensor:
    """Pad, cut and mirror image by image, with the same draws."""
    generator = torch.Generator().manual_seed(named_seed(SEED, "augmentation", str(STEP)))
    shifts = torch.randint(-crop, crop + 1, (2, len(pixels), 1), generator=generator)
    coins = torch.randint(2, (len(pixels), 1), generator=generator)
    changed = []
    for index, image in enumerate(pixels):
        height, width = image.shape[:2]
        planes = image.permute(2, 0, 1).float()[None]
        padded = torch.nn.functional.pad(planes, (crop,) * 4, mode="reflect")[0].permute(1, 2, 0).to(torch.uint8)
        top, left = crop + int(shifts[0, index]), crop + int(shifts[1, index])
        cut = padded[top : top + height, left : left + width]
        changed.append(cut.flip(1) if flip and coins[index] else cut)
    return torch.stack(changed)


@pytest.mark.parametrize("crop", [0, 2, 5])
@pytest.mark.parametrize("flip", [True, False])
def test_equals_padding_cutting_and_mirroring_image_by_image(crop: int, flip: bool) -> None:
    pixels = pictures()
    found = augment(pixels, AugmentationConfig(flip=flip, crop=crop), SEED, STEP)
    assert found.dtype == torch.uint8
    assert torch.equal(found, one_by_one(pixels, crop, flip))


def test_off_returns_the_very_pixels() -> None:
    pixels = pictures()
    assert augment(pixels, AugmentationConfig(), SEED, STEP) is pixels


def test_half_are_mirrored_each_by_its_own_coin() -> None:
    pixels = pictures(1).expand(2000, -1, -1, -1)
    found = augment(pixels, AugmentationConfig(flip=True), SEED, STEP)
    mirrored = (found == pixels.flip(2)).flatten(1).all(dim=1)
    kept = (found == pixels).flatten(1).all(dim=1)
    assert (mirrored | kept).all()
    assert 0.45 < mirrored.double().mean() < 0.55


def test_every_shift_is_as_likely() -> None:
    """On a ramp of rows and columns the first pixel tells the shift."""
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 8, 8, 1).expand(5000, 8, 8, 3)
    found = augment(ramp, AugmentationConfig(crop=1), SEED, STEP)[:, 1, 1, 0]
    values, counts = found.unique(return_counts=True)
    assert values.tolist() == [0, 1, 2, 8, 9, 10, 16, 17, 18]
    assert counts.min() > 450
    assert counts.max() < 660


def test_draws_depend_on_seed_and_step_alone() -> None:
    pixels, config = pictures(), AugmentationConfig(flip=True, crop=2)
    first = augment(pixels, config, SEED, STEP)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(augment(pixels, config, SEED, STEP), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(augment(pixels, config, SEED, STEP + 1), first)
    assert not torch.equal(augment(pixels, config, SEED + 1, STEP), first)


def test_a_crop_as_large_as_the_image_is_refused() -> None:
    values = {"data": {"tasks": ["Hat"], "image_size": 48}, "augmentation": {"crop": 48}}
    with pytest.raises(ValueError, match=r"augmentation.crop must be below data.image_size 48, got 48"):
        TrialConfig.model_validate(values)
