"""A model in training: steps, epochs, checkpoints and weights.

May import everything except ``run`` and ``diagnostics``.
"""
