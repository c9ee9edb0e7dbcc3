"""Scores of arms made up from an array."""

import numpy as np

from results.analysis.inference.scores import Scores


def made(array, chance=0.5, queries=1000):
    array = np.asarray(array, dtype=float)
    arms, seeds, tasks = array.shape
    names = tuple("abcdefghijkl"[:arms])
    return Scores(
        "triplet_accuracy",
        "query",
        names,
        names,
        tuple(range(1, seeds + 1)),
        tuple(f"task{i}" for i in range(tasks)),
        array,
        np.full(tasks, chance),
        np.full(tasks, float(queries)),
    )
