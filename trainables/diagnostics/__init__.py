"""Measurements that explain a result: update agreement and inter-task affinity.

They observe training without changing its numbers. May import everything except ``run``.
"""
