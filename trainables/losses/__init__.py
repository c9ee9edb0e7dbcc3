"""Triplet losses, penalties, and the balancing of tasks.

May import ``networks``, ``sampling`` and the rooms below. A new balancing method is a module in ``balancing``.
"""
