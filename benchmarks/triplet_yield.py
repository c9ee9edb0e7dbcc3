"""Valid triplets a second of training: ``all_tasks`` against the released ``triplets`` scheme at equal images a second.

    python -m benchmarks.triplet_yield [--size 64] [--width 0.5] [--repeats 5]

Both sides run forward, loss and backward of the released placement for 7 tasks on random labels with the class balance
of 1 in 4. ``all_tasks`` reads 42 images a step and embeds each for every task, ``triplets`` reads 84 slots. Two ratios
are printed: valid triplets a second, and valid triplets for each image read (the ratio at equal images a second).
"""

from __future__ import annotations

import argparse

import torch

from benchmarks.gallery_embedding import configuration
from benchmarks.measure import interleave
from trainables.losses.triplet import batch_triplet_loss, triplet_margin_loss
from trainables.networks.multi_task import build_model

TASKS = 7
IMAGES = 42


def main() -> None:
    """Print images, valid triplets and the ratio of valid triplets a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    model = build_model(configuration(TASKS, options.size, options.width)).train().to(memory_format=torch.channels_last)
    labels = (torch.rand(IMAGES, TASKS, generator=generator) < 0.25).long()
    slots = 3 * TASKS * (2 * IMAGES // (3 * TASKS))
    task_index = torch.arange(TASKS).repeat_interleave(slots // TASKS)
    pictures = torch.randn(slots, 3, options.size, options.size, generator=generator)
    pictures = pictures.to(memory_format=torch.channels_last)
    valid: dict[str, int] = {}

    def all_tasks() -> None:
        model.zero_grad(set_to_none=True)
        result = batch_triplet_loss(model.embed_tasks(pictures[:IMAGES]), labels, 0.2)
        result.loss.backward()
        valid["all_tasks"] = int(result.valid.sum())

    def triplets() -> None:
        model.zero_grad(set_to_none=True)
        result = triplet_margin_loss(model.embed_mixed(pictures, task_index), TASKS, 0.2)
        result.loss.backward()
        valid["triplets"] = int(result.valid.sum())

    ratio = interleave(all_tasks, triplets, options.repeats)
    print(f"a step of all_tasks: {IMAGES} images, {valid['all_tasks']} valid triplets")
    print(f"a step of triplets:  {slots} slots, {valid['triplets']} valid triplets")
    print(f"time of a step, triplets over all_tasks: {ratio}")
    per_step = valid["all_tasks"] / valid["triplets"]
    same_time = [pair * per_step for pair in ratio.pairs]
    same_images = per_step * slots / IMAGES
    print(
        f"valid triplets a second, all_tasks over triplets: median {sorted(same_time)[len(same_time) // 2]:.0f} x "
        f"[{min(same_time):.0f}, {max(same_time):.0f}]; per image read: {same_images:.0f} x"
    )


if __name__ == "__main__":
    main()
