"""Selects the images of each training step and the triplets that evaluate a task.

Rows only: nothing here reads pixels. A new scheme is a module with a class that follows ``batch.Batches``, and a case
in ``batches.build_batches``.
"""
