"""``modstudy retrieve``: prints and draws what is most like a query."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from study.retrieval.grid import save_grid
from study.retrieval.querying import Retrieved, SearchRequest, retrieve
from study.terminal.display import Heading, open_console, print_table, say


def show_retrieved(request: SearchRequest, grid: Path | None, *, as_json: bool) -> None:
    """Search, and print a table or JSON.

    Raises:
        UserError: the index, the query, a task or a condition breaks a rule.
    """
    found, console = retrieve(request), open_console()
    if grid is not None:
        save_grid(found, grid)
    if as_json:
        console.print(json.dumps(found.as_json(), indent=1), soft_wrap=True)
        return
    if not found.matches:
        say(console, "no image of the index meets the conditions")
        return
    _print_matches(console, found)
    for task, count in found.overlaps().items():
        say(
            console,
            f"of these {len(found.matches)}, {count} are among the {len(found.matches)} nearest for {task} alone",
        )
    if grid is not None:
        say(console, f"written: {grid}")


def _print_matches(console: Console, found: Retrieved) -> None:
    several = len(found.weights) > 1
    labels = sorted({name for match in found.matches for name in match.labels})
    headings = [
        Heading("rank"),
        Heading("score" if several else "similarity"),
        *(Heading(task, spare=2) for task in found.weights if several),
        Heading("id", numeric=False),
        *(Heading(f"rank: {task}", spare=3) for task in found.ranks),
        *(Heading(f"channels: {task}", numeric=False, spare=4) for task in found.channels),
        *(Heading(name, numeric=False, spare=5 + place) for place, name in enumerate(labels)),
    ]
    rows = []
    for place, match in enumerate(found.matches):
        alone = [f"{match.by_task[task]:.3f}" for task in found.weights if several]
        ranks = [f"{ranks[place]:,}" for ranks in found.ranks.values()]
        carried = [_channels(found, task, place) for task in found.channels]
        known = [match.labels.get(name, "") for name in labels]
        rows.append([str(match.rank), f"{match.similarity:.3f}", *alone, match.id, *ranks, *carried, *known])
    print_table(console, headings, rows)


def _channels(found: Retrieved, task: str, place: int) -> str:
    """Return the channels that carry a match most: their share of what speaks for it, and the task's factor."""
    words = []
    for channel in found.channels[task][place]:
        factor = "" if channel.factor is None else f" x{channel.factor:.2f}"
        words.append(f"{channel.channel}{factor} {channel.share:.0%}")
    return ", ".join(words)
