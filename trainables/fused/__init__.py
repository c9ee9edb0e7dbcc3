"""Fused trials: trials of one arm that differ in nuisance values and seeds, trained as one model.

``run_fused`` mirrors ``run_trial``. May import everything except ``run``.
"""
