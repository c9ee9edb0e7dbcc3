"""Triplet accuracy and rank metrics of all tasks on one split."""
