"""Triplet losses, penalties, and the balancing of tasks."""
