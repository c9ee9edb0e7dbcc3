"""What share of its GPUs a study keeps busy: a simulation of its schedule. Nothing is trained, and no Ray is started.

    python -m benchmarks.utilisation [--gpus 1000] [--trials 100000] [--arms 400] [--seed 0] [--figure FILE]

``benchmarks.schedule_simulation`` has its rules. ``useful`` is the time of epochs that
count, ``again`` that of epochs cut off and of starts after a preemption; ``away`` are preempted GPUs, ``idle``
the rest. "Order of arms" replaces the rule for free GPUs by the order in the file. The bound is the larger of all work
over all GPUs and of the longest chain of one arm, without preemption.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.schedule_simulation import Setting, Simulation, Utilisation


def scenarios(base: Setting) -> dict[str, Setting]:
    """Return the settings that are compared, by what they add to those before."""
    unequal = replace(base, spread=0.5)
    halved = replace(unequal, rungs=(base.epochs // 10, base.epochs // 3))
    preempted = replace(halved, preemptions=0.25)
    few = max(1, base.arms // 10)
    per_arm = (base.tune + base.confirm) * base.arms // few
    return {
        "equal arms, rounds of 4": replace(base, round_size=4),
        "equal arms": base,
        "+ arms of different lengths": unequal,
        "+ halving": halved,
        "+ preemption": preempted,
        "the same, order of arms": replace(preempted, longest_first=False),
        "the same, rounds of 4": replace(preempted, round_size=4),
        f"the same, {few} arms": replace(preempted, arms=few, tune=per_arm - base.confirm),
        f"the same, {few} arms, rounds of {10 * base.round_size}": replace(
            preempted, arms=few, tune=per_arm - base.confirm, round_size=10 * base.round_size
        ),
    }


def main() -> None:
    """Print a row for every scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"gpus": 1000, "trials": 100_000, "arms": 400, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    tune = max(1, options.trials // options.arms - Setting.confirm)
    base = Setting(gpus=options.gpus, arms=options.arms, tune=tune, seed=options.seed)
    print("| study | useful | again | away | idle | hours | over the bound |")
    print("| :--- | ---: | ---: | ---: | ---: | ---: | ---: |")
    found = {}
    for name, setting in scenarios(base).items():
        found[name] = run = Simulation(setting).run()
        shares = " | ".join(
            f"{abs(100 * run.share(part)):.1f} %" for part in (run.useful, run.again, run.away, run.idle)
        )
        print(f"| {name} | {shares} | {run.makespan / 3600:.1f} | {run.makespan / run.bound:.2f} |", flush=True)
    if options.figure:
        draw(found, options.figure)


def draw(found: dict[str, Utilisation], path: Path) -> None:
    """Draw the share of GPUs with work over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, run in found.items():
        hours = np.linspace(0, run.makespan / 3600, len(run.busy), endpoint=False)
        axes.plot(hours, 100 * np.array(run.busy) / run.setting.gpus, label=name, linewidth=1)
    axes.set(xlabel="hours", ylabel="GPUs with work (%)", ylim=(0, 101), xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right", frameon=False, fontsize=7)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
