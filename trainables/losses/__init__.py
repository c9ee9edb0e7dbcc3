"""Triplet losses, penalties, and task balancing.

May import ``networks``, ``sampling`` and the packages below. To add a balancing method, add a module to ``balancing``.
"""
