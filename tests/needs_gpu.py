"""Ends `make test-gpu` on a machine without a GPU, where it would pass by skipping every test."""

from __future__ import annotations

import sys

import torch

if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
    sys.exit(
        f"make test-gpu needs a CUDA device or Apple's mps, and torch {torch.__version__} finds neither here; "
        "make test runs everything that needs none"
    )
