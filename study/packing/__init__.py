"""How many trials of an arm share one accelerator, by measurement.

A probe (``probe``) starts 1, 2, 4, ... processes that take the arm's real training steps together (``crew``,
``member``); ``choice`` picks the best of what they measured, and ``record`` keeps it in the run folder. ``mps`` starts
and ends NVIDIA's Multi-Process Service. Imports neither Ray nor torch: the probe runs in processes of its own, and
``study.tune.packing`` decides on which node. May import ``study.plan`` and below.
"""
