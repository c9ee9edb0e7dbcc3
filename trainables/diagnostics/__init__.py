"""Measurements that explain a result: update agreement and inter-task affinity."""
