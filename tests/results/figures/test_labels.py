"""Labels beside points: what is far from a label has no part in its place."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from results.figures import labels
from results.figures.labels import Label, place_labels


def placed(seed: int) -> list[tuple[float, float]]:
    generator = np.random.default_rng(seed)
    figure = Figure(figsize=(9, 6), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    found = [Label(f"arm{index}", x, y, "black") for index, (x, y) in enumerate(generator.random((60, 2)))]
    corners = axes.transData.transform(generator.random((80, 2)))
    obstacles = [Bbox([corner, corner + 12]) for corner in corners]
    return [annotation.xyann for annotation in place_labels(axes, found, obstacles[:60], obstacles[60:])]


@pytest.mark.parametrize("seed", [1, 2])
def test_labels_stand_where_they_would_if_every_other_box_were_looked_at(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = placed(seed)
    everywhere = np.array([-np.inf, -np.inf, np.inf, np.inf])
    monkeypatch.setattr(labels._Places, "reach", property(lambda _: everywhere))
    assert placed(seed) == quick
