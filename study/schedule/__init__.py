"""Which trial is trained next: rounds and their values, designs, halving, dispatch.

A function of the plan, the journals and the rounds drawn, without Ray. May import ``study.plan`` and below. Only
``sampler`` imports Optuna and only ``drawing``, which the driver of a run uses, imports ``sampler``: readers take
rounds from ``rounds``. To add a sampler, replace ``sample_round``; values that were recorded stay.
"""
