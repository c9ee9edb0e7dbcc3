"""Decides which trial to train next: rounds and their values, designs, halving, dispatch.

The schedule is a function of the plan, the journals and the rounds drawn, and does not use Ray. May import
``study.plan`` and below. Only ``sampler`` imports Optuna, and only ``drawing``, used by the driver of a run, imports
``sampler``; readers get rounds from ``rounds``. To add a sampler, replace ``sample_round``; recorded values are kept.
"""
