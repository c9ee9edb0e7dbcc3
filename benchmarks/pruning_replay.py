"""What pruning over arms saves and what it costs the front, by replaying curves that were trained to the end.

    python -m benchmarks.pruning_replay [RUN_FOLDER] [--rungs 3 6] [--round-size 2] [--repeats 200]

Every tune trial of the run has all its epochs, so what pruning would have done is decided by the study's own code and
compared with what came of the trials it would have stopped. Trials keep their values; in a study, the sampler would
propose others once some are stopped. Without a folder, the curves are drawn: power laws whose ends, speeds and noise
differ between arms and trials, with a front that is known. Training is not simulated; only decisions are.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from results.analysis.tradeoff import pareto_front
from study.journal.journal import read_journal
from study.layout import RunFolder
from study.schedule.pruning.cheaper_arms import NO_BAR, CheaperArms, Ended, Reached
from study.schedule.pruning.halving import survivors

Curve = Mapping[int, float]
"""The objective of a trial by epoch."""


@dataclass(frozen=True)
class FullArm:
    """An arm whose trials were all trained to the end: its cost, and the curves of its trials in trial order."""

    name: str
    cost: float
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Replayed:
    """What came of one replay.

    Attributes:
        epochs: of tune trials that were trained.
        stopped: trials that a cheaper arm stopped.
        best: the best last objective of each arm, in the order given; NaN without a trial trained to the end.
    """

    epochs: int
    stopped: int
    best: tuple[float, ...]


def replay(
    arms: Sequence[FullArm], rungs: Sequence[int], round_size: int, keep: float, *, stop_beaten: bool
) -> Replayed:
    """Return what halving, with or without pruning over arms, would have made of these trials."""
    rounds = {arm.name: math.ceil(len(arm.curves) / round_size) for arm in sorted(arms, key=lambda arm: arm.cost)}
    cheaper, by_name = CheaperArms(rounds), {arm.name: arm for arm in arms}
    ended: dict[str, list[Curve]] = {arm.name: [] for arm in arms}
    epochs = stopped = 0
    for number in range(max(rounds.values())):
        for name in (name for name, count in rounds.items() if number < count):
            curves = by_name[name].curves
            known = {str(index): curve for index, curve in enumerate(curves) if index // round_size == number}
            bar = cheaper.bar(name, number) if stop_beaten else NO_BAR
            done, last = 0, max(next(iter(known.values())))
            for rung in rungs:
                epochs, done = epochs + len(known) * (rung - done), rung
                objectives = {key: curve[rung] for key, curve in known.items()}
                kept = survivors(objectives, math.ceil(keep * len(known)))
                beaten = bar.beaten({key: objectives[key] for key in kept}, rung) if bar else set()
                stopped += len(beaten)
                known = {key: curve for key, curve in known.items() if key in kept - beaten}
            epochs += len(known) * (last - done)
            ended[name] += known.values()
            cheaper.note(name, Reached.by(Ended({r: c[r] for r in rungs}, c[max(c)]) for c in ended[name]))
    best = tuple(max((curve[max(curve)] for curve in ended[arm.name]), default=math.nan) for arm in arms)
    return Replayed(epochs, stopped, best)


def curves_of(folder: RunFolder, metric: str = "validation/triplet_accuracy") -> tuple[FullArm, ...]:
    """Return the arms of a run with the curves of those tune trials that completed."""
    document = json.loads(folder.plan.read_text(encoding="utf-8"))
    total = {arm["arm_id"]: next(r for r in arm["storage"] if r["component"] == "total") for arm in document["arms"]}
    found: dict[str, dict[int, Curve]] = {arm_id: {} for arm_id in total}
    for path in sorted(folder.trials.glob("*/journal.jsonl")):
        events = read_journal(path).events
        planned = next(event for event in events if event["event"] == "planned")
        if planned["stage"] != "tune" or not any(event["event"] == "finished" for event in events):
            continue
        records = (event for event in events if event["event"] == "epoch" and metric in event["metrics"])
        found[planned["arm"]["arm_id"]][planned["index"]] = {each["epoch"]: each["metrics"][metric] for each in records}
    return tuple(
        FullArm(arm["name"], total[arm["arm_id"]]["added_parameters"], tuple(c for _, c in sorted(curves.items())))
        for arm in document["arms"]
        if (curves := found[arm["arm_id"]])
    )


def drawn_arms(rng: np.random.Generator, arms: int = 12, trials: int = 12, epochs: int = 12) -> tuple[FullArm, ...]:
    """Return arms with power-law curves, end - fall * epoch ** -speed, noise of 0.003, and costs in random order."""
    found = []
    for number in range(arms):
        end, speed = rng.uniform(0.7, 0.85), rng.uniform(0.3, 1.5)
        curves = []
        for _ in range(trials):
            own, fall = end - rng.exponential(0.02), rng.uniform(0.1, 0.25)
            pace = speed * rng.uniform(0.7, 1.4)
            curves.append({e: own - fall * e**-pace + rng.normal(0, 0.003) for e in range(1, epochs + 1)})
        found.append(FullArm(f"arm {number}", float(number), tuple(curves)))
    return tuple(found)


def comparison(arms: Sequence[FullArm], rungs: Sequence[int], round_size: int) -> dict[str, float]:
    """Return what pruning over arms changes: epochs saved, trials stopped, and the front of best objectives."""
    cost = np.array([arm.cost for arm in arms])
    without = replay(arms, rungs, round_size, 0.5, stop_beaten=False)
    pruned = replay(arms, rungs, round_size, 0.5, stop_beaten=True)
    before, after = (pareto_front(np.array(each.best), cost) for each in (without, pruned))
    drop = np.nan_to_num(np.array(without.best) - np.array(pruned.best))
    return {
        "epochs": without.epochs,
        "epochs_saved": 1 - pruned.epochs / without.epochs,
        "stopped": pruned.stopped,
        "front": int(before.sum()),
        "front_changed": int((before != after).sum()),
        "largest_drop_on_front": float(drop[before].max(initial=0.0)),
        "largest_drop": float(drop.max(initial=0.0)),
    }


def _lines(found: Sequence[Mapping[str, float]]) -> Iterator[str]:
    for name in found[0]:
        values = np.array([each[name] for each in found])
        yield f"{name}: mean {values.mean():.4f}, worst {values.max():.4f}, of {len(values)}"


def main() -> None:
    """Print the comparison for a run folder, or for drawn curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rungs", type=int, nargs="+", default=[3, 6])
    parser.add_argument("--round-size", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    if options.folder:
        found = [comparison(curves_of(RunFolder(options.folder)), options.rungs, options.round_size)]
    else:
        draws = (drawn_arms(np.random.default_rng(seed)) for seed in range(options.repeats))
        found = [comparison(arms, options.rungs, options.round_size) for arms in draws]
    print("\n".join(_lines(found)))


if __name__ == "__main__":
    main()
