"""Triplet losses, penalties, and the balancing of tasks.

May import ``networks``, ``sampling`` and the packages below. To add a balancing method, add a module to ``balancing``.
"""
