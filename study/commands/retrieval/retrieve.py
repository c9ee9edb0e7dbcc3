"""``modstudy retrieve``: prints and draws what is most like a query."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from study.retrieval.grid import save_grid
from study.retrieval.querying import Retrieved, SearchRequest, retrieve
from study.terminal.display import Heading, open_console, print_table, say

if TYPE_CHECKING:
    from trainables.index.explaining import Channel


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
    _print_channels(console, found)
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
        *(Heading(name, numeric=False, spare=4 + place) for place, name in enumerate(labels)),
    ]
    rows = []
    for place, match in enumerate(found.matches):
        alone = [f"{match.by_task[task]:.3f}" for task in found.weights if several]
        ranks = [f"{ranks[place]:,}" for ranks in found.ranks.values()]
        known = [match.labels.get(name, "") for name in labels]
        rows.append([str(match.rank), f"{match.similarity:.3f}", *alone, match.id, *ranks, *known])
    print_table(console, headings, rows)


def _print_channels(console: Console, found: Retrieved) -> None:
    """Print for each task what carries the matches, each in a row of its own: it is too wide to stand beside them."""
    for task, channels in found.channels.items():
        rows = [
            [str(match.rank), ", ".join(map(_described, carrying))]
            for match, carrying in zip(found.matches, channels, strict=True)
        ]
        factors = " the task's factor for each," if any(one.factor is not None for one in channels[0]) else ""
        title = f"{task}: the channels that carry each match,{factors} and their share of what speaks for it"
        print_table(console, [Heading("rank"), Heading("channels", numeric=False)], rows, title)


def _described(channel: Channel) -> str:
    factor = "" if channel.factor is None else f" x{channel.factor:.2f}"
    return f"{channel.channel}{factor} {channel.share:.0%}"
