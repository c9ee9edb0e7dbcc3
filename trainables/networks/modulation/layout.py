"""Index tensors whose values the host knows: which group, task or network each row of a batch belongs to.

Reading such a tensor back makes the host wait for the device, and making it anew copies it there; neither can be in a
step that is captured as a CUDA graph. The layout is noted on the tensor itself, so functions that take only a tensor
keep their signature and read the values if nothing is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import groupby
from typing import cast

import torch
from torch import Tensor


class RowLayout:
    """The values of an index tensor ``(N,)``, and the tensors derived from them, each made once per device.

    Attributes:
        values: The values, on the host.
        runs: (value, number of rows) of each run of equal values, in order.
    """

    def __init__(self, values: Iterable[int]) -> None:
        self.values = tuple(values)
        self.runs = tuple((value, len(tuple(run))) for value, run in groupby(self.values))
        self._tensors: dict[tuple[Hashable, ...], Tensor] = {}
        self._layouts: dict[tuple[Hashable, ...], RowLayout] = {}

    def index(self, device: torch.device) -> Tensor:
        """Return the values as an int64 tensor ``(N,)`` on which this layout is noted."""
        return note(self._tensor(("values", device), lambda: self.values), self)

    def rows_of(self, value: int, device: torch.device) -> Tensor:
        """Return the places of a value, int64, in ascending order."""
        return self._tensor(("rows", value, device), lambda: self._places(value))

    def back(self, device: torch.device) -> Tensor:
        """Return the index ``(N,)`` that restores the order of rows collected value by value, in ascending order."""
        return self._tensor(("back", device), self._back)

    def mapped(self, table: Sequence[int]) -> RowLayout:
        """Return the layout of ``table[value]`` for each value."""
        return self._layout(("mapped", *table), lambda: [table[value] for value in self.values])

    def among(self, other: RowLayout, value: int) -> RowLayout:
        """Return the layout of the rows at which another layout has a value."""
        return self._layout(
            ("among", other.values, value), lambda: [self.values[place] for place in other._places(value)]
        )

    def every(self, step: int, start: int) -> RowLayout:
        """Return the layout of every ``step``-th row from ``start`` on."""
        return self._layout(("every", step, start), lambda: self.values[start::step])

    def _places(self, value: int) -> list[int]:
        return [place for place, found in enumerate(self.values) if found == value]

    def _back(self) -> list[int]:
        collected = sorted(range(len(self.values)), key=self.values.__getitem__)
        return sorted(collected, key=collected.__getitem__)

    def _tensor(self, key: tuple[Hashable, ...], values: Callable[[], Iterable[int]]) -> Tensor:
        if key not in self._tensors:
            device = cast("torch.device", key[-1])
            with torch.inference_mode(mode=False):  # the backward pass of training cannot save an inference tensor
                self._tensors[key] = torch.tensor(list(values()), device=device, dtype=torch.int64)
        return self._tensors[key]

    def _layout(self, key: tuple[Hashable, ...], values: Callable[[], Iterable[int]]) -> RowLayout:
        if key not in self._layouts:
            self._layouts[key] = RowLayout(values())
        return self._layouts[key]


def note(index: Tensor, layout: RowLayout) -> Tensor:
    """Note on an index tensor what its values are; return the tensor."""
    index.row_layout = layout  # type: ignore[attr-defined]  # an attribute of ours, which torch carries along
    return index


def layout_of(index: Tensor) -> RowLayout | None:
    """Return the layout noted on an index tensor, None if its values are known to the device alone."""
    found: RowLayout | None = getattr(index, "row_layout", None)
    return found


def every_row(index: Tensor, step: int, start: int) -> Tensor:
    """Return every ``step``-th row of an index tensor from ``start`` on, with its layout, if that is known."""
    layout = layout_of(index)
    return index[start::step] if layout is None else layout.every(step, start).index(index.device)


def looked_up(table: Sequence[int], index: Tensor) -> Tensor:
    """Return ``table[index]``, int64 ``(N,)``; nothing is read or copied if the layout of ``index`` is known."""
    layout = layout_of(index)
    if layout is None:
        return torch.tensor(table, device=index.device)[index]
    return layout.mapped(table).index(index.device)
