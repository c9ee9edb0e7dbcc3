"""Searches an index: which query and tasks a command means, and what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.retrieval.faults import told_to_the_user

if TYPE_CHECKING:
    from trainables.index import ImageIndex, InIndex, Match
    from trainables.index.explaining import Channel

CHANNELS = 5
"""Channels that are named for a match."""


@dataclass(frozen=True)
class SearchRequest:
    """What to search for: the options of ``modstudy retrieve``.

    ``query``: the path of an image, or the id of one in the index. ``tasks``: ``NAME`` or ``NAME=WEIGHT``.
    ``run_code``: whether a network that a study imported may be imported.
    """

    index: Path
    query: str
    tasks: tuple[str, ...] = ()
    top: int = 12
    where: tuple[str, ...] = ()
    explain: bool = False
    approximate: bool = False
    device: str = "cpu"
    run_code: bool = False


@dataclass(frozen=True)
class Retrieved:
    """What was found; ``channels`` by task and id, and ``ranks`` by task, only if they were asked for.

    Attributes:
        index: What was searched.
        query: The query, for the index.
        weights: The tasks with their weights.
        matches: The nearest images, nearest first.
        channels: By task, for each match, the channels that carry it most.
        ranks: By task, the rank of each match for this task alone.
    """

    index: ImageIndex
    query: Path | InIndex
    weights: Mapping[str, float]
    matches: Sequence[Match]
    channels: Mapping[str, Sequence[Sequence[Channel]]]
    ranks: Mapping[str, Sequence[int]]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        found = []
        for place, match in enumerate(self.matches):
            extra: dict[str, Any] = {}
            if self.ranks:
                extra["ranks"] = {task: ranks[place] for task, ranks in self.ranks.items()}
                extra["channels"] = {
                    task: [vars(channel) for channel in channels[place]] for task, channels in self.channels.items()
                }
            labels = {"labels": dict(match.labels), "by_task": dict(match.by_task)}
            plain = {key: getattr(match, key) for key in ("rank", "id", "similarity", "source")}
            found.append({**plain, **labels, **extra})
        return {"index": str(self.index.folder), "tasks": dict(self.weights), "matches": found}

    def overlaps(self) -> dict[str, int]:
        """Return by task how many of the matches are among as many nearest images for this task alone."""
        return {task: sum(rank <= len(self.matches) for rank in ranks) for task, ranks in self.ranks.items()}


def retrieve(request: SearchRequest) -> Retrieved:
    """Search an index.

    Raises:
        UserError: The index, the query, a task or a condition breaks a rule.
    """
    from trainables.index import ImageIndex

    with told_to_the_user():
        index = ImageIndex.open(request.index, device=request.device, run_code=request.run_code)
        query, weights = _query(index, request.query), _weights(index, request.tasks)
        matches = index.search(query, weights, top=request.top, where=request.where, approximate=request.approximate)
        channels: dict[str, list[Sequence[Channel]]] = {}
        ranks: dict[str, list[int]] = {}
        if request.explain and matches:
            names = [match.id for match in matches]
            ranks = index.ranks(query, names, where=request.where)
            for task in weights:
                channels[task] = [index.explain(query, name, task)[:CHANNELS] for name in names]
    return Retrieved(index, query, weights, matches, channels, ranks)


def _query(index: ImageIndex, query: str) -> Path | InIndex:
    from trainables.index import IndexFault, InIndex

    path = Path(query).expanduser()
    if path.is_file():
        return path
    try:
        index.thumbnail(query) if index.manifest.thumbnails else index.ranks(InIndex(query), [], index.tasks[:1])
    except IndexFault:
        raise UserError(f"{query}: neither the file of an image nor the id of one in {index.folder}") from None
    return InIndex(query)


def _weights(index: ImageIndex, tasks: Sequence[str]) -> dict[str, float]:
    """Return tasks and weights of ``NAME`` or ``NAME=WEIGHT``; a name may hold ``=`` itself."""
    weights: dict[str, float] = {}
    for text in tasks or index.tasks[: len(index.tasks) == 1]:
        name, _, number = text.rpartition("=")
        if text in index.tasks or not name:
            name, number = text, "1"
        if name in weights:
            raise UserError(f"--task {text}: {name} is named twice; give it one weight")
        try:
            weights[name] = float(number)
        except ValueError:
            raise UserError(f"--task {text}: a weight should be a number, such as {name}=-0.5") from None
    if not weights:
        raise UserError(f"--task: name at least one; known: {', '.join(index.tasks)}")
    return weights
