"""Memory of 4 concurrent trials on one node: the image array is counted once, whatever the number of trials.

    python -m benchmarks.shared_images [--images 40000] [--size 64] [--processes 4]

Each process maps the same decoded array and reads every image. Peer: each process holds a copy of its own, as a
data set class that decodes into RAM does. Reported: the sum over processes of the proportional set size (PSS: a page
shared by n processes counts 1/n in each), less what the same processes take before touching the array.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import psutil


def proportional_bytes() -> int:
    """Return the proportional set size of this process in bytes (Linux)."""
    return int(psutil.Process().memory_full_info().pss)


def read_all(path: str, mapped: bool, pipe: Connection) -> None:
    """Open the array, read it whole, and report the growth of this process while all others hold theirs."""
    before = proportional_bytes()
    images = np.load(path, mmap_mode="r" if mapped else None)
    for start in range(0, len(images), 256):
        images[start : start + 256].sum()
    pipe.send("read")
    pipe.recv()
    pipe.send(proportional_bytes() - before)
    pipe.recv()


def growth(path: Path, processes: int, *, mapped: bool) -> int:
    """Return the bytes that ``processes`` readers add in all."""
    context = multiprocessing.get_context("spawn")
    pipes, children = [], []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        child = context.Process(target=read_all, args=(str(path), mapped, theirs))
        child.start()
        pipes.append(ours)
        children.append(child)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("measure")
    total = sum(pipe.recv() for pipe in pipes)
    for pipe, child in zip(pipes, children, strict=True):
        pipe.send("end")
        child.join()
    return total


def main() -> None:
    """Print both sums as multiples of the array's size, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=40_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        shape = (options.images, options.size, options.size, 3)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        array[:] = 127
        array.flush()
        size = array.nbytes
        pairs = [
            (growth(path, options.processes, mapped=True), growth(path, options.processes, mapped=False))
            for _ in range(options.repeats)
        ]
    ratios = [peer / ours for ours, peer in pairs]
    print(f"array: {size / 2**20:.0f} MiB, {options.processes} processes")
    print(f"mapped:      {median(ours for ours, _ in pairs) / size:.2f} x the array in all")
    print(f"own copies:  {median(peer for _, peer in pairs) / size:.2f} x the array in all")
    print(f"ratio: {median(ratios):.2f} x [{min(ratios):.2f}, {max(ratios):.2f}] over {len(ratios)} pairs")


if __name__ == "__main__":
    main()
