"""What the rule that tells arms apart keeps and finds: its errors among equal arms, its power, and the seeds it needs.

    python -m benchmarks.verdict_power [--repeats 2000]

Prints the tables of docs/statistics.md, for the plain paired t test with Holm's correction beside the rule:

- the share of studies of equal arms in which any two are told apart, promised to be 5 % at most, where arms spread
  alike, by up to a factor of four, or one four times as much as the others, and for other laws than the normal;
- the share of the pairs told apart in studies whose arms lie in equal steps;
- the seeds that show one arm to be better than every other one with 80 % power.

All arms share an effect of the seed, as trials do that see the same batches.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from benchmarks.interval_coverage import LAWS
from results.analysis.inference.intervals import holm, student_bounds
from results.analysis.inference.moderated import corrected_p
from results.analysis.statistics import LEVEL, Floats

ARMS = (3, 6, 12, 32)
SEEDS = (2, 3, 5, 10)
STEPS = (1.0, 2.0)
"""Between neighbouring arms, in standard deviations of one arm over seeds."""
AHEAD = (0.5, 1.0, 1.82, 3.0)
"""Lead of one arm, in standard deviations of a paired difference: 1.82 is 0.02 at a deviation of 0.011."""
MOST = 60
SPREADS: dict[str, Callable[[int], Floats]] = {
    "alike": np.ones,
    "up to x 4": lambda arms: np.linspace(0.5, 2, arms),
    "half x 4": lambda arms: np.where(np.arange(arms) < arms / 2, 0.5, 2.0),
    "one x 4": lambda arms: np.where(np.arange(arms) == 0, 4.0, 1.0),
}
Test = Callable[[Floats], Floats]


def plain(means: Floats) -> Floats:
    """Return corrected p values of plain paired t tests, by pair; means have shape (arms, seeds)."""
    first, second = np.triu_indices(len(means), 1)
    return holm(student_bounds(means[first] - means[second]).p)


def rule(means: Floats) -> Floats:
    """Return the p values that decide in ``results.analysis.inference.verdicts``."""
    first, second = np.triu_indices(len(means), 1)
    return corrected_p(means, student_bounds(means[first] - means[second]), first, second)


TESTS: dict[str, Test] = {"plain": plain, "rule": rule}


def drawn(law: str, spread: Floats, seeds: int, repeats: int) -> Iterator[Floats]:
    """Yield studies of equal arms, shape (arms, seeds)."""
    rng = np.random.default_rng(seeds)
    for _ in range(repeats):
        yield LAWS[law](rng, (len(spread), seeds)) * spread[:, None] + rng.standard_normal(seeds)


def errors(repeats: int) -> pd.DataFrame:
    """Return the share of studies of equal arms in which any two are told apart."""
    rows = []
    cases = [("normal", spread) for spread in SPREADS] + [("skewed", "up to x 4"), ("heavy tails", "one x 4")]
    cases.append(("failed seeds", "alike"))
    for arms in ARMS:
        for seeds in SEEDS:
            for law, spread in cases:
                studies = list(drawn(law, SPREADS[spread](arms), seeds, repeats))
                found = {name: np.mean([(test(x) < 1 - LEVEL).any() for x in studies]) for name, test in TESTS.items()}
                rows.append((arms, seeds, f"{law}, {spread}", found["plain"], found["rule"]))
    return pd.DataFrame(rows, columns=["arms", "seeds", "law and spread", "plain", "rule"])


def powers(repeats: int) -> pd.DataFrame:
    """Return the share of all pairs told apart where arms lie in equal steps and spread alike."""
    rows = []
    for arms in ARMS:
        for seeds in SEEDS:
            for step in STEPS:
                level = step * np.arange(arms)[:, None]
                studies = [level + noise for noise in drawn("normal", np.ones(arms), seeds, max(repeats // 10, 1))]
                found = {name: np.mean([(test(x) < 1 - LEVEL).mean() for x in studies]) for name, test in TESTS.items()}
                rows.append((arms, seeds, step, found["plain"], found["rule"]))
    return pd.DataFrame(rows, columns=["arms", "seeds", "step", "plain", "rule"])


def needed(repeats: int) -> pd.DataFrame:
    """Return the fewest seeds with which one arm that is ahead of equal ones is told from 80 % of them."""
    rows = []
    for arms in (2, *ARMS):
        for ahead in AHEAD:
            fewest = {name: fewest_seeds(test, arms, ahead, max(repeats // 10, 1)) for name, test in TESTS.items()}
            rows.append((arms, ahead, fewest["plain"], fewest["rule"]))
    return pd.DataFrame(rows, columns=["arms", "lead", "plain", "rule"])


def fewest_seeds(test: Test, arms: int, ahead: float, repeats: int) -> str:
    """Return the first number of seeds with 80 % power, or that it is more than ``MOST``."""
    level = np.where(np.arange(arms) == 0, ahead * np.sqrt(2), 0.0)[:, None]  # a difference has twice the variance
    for seeds in range(2, MOST + 1):
        told = [
            (test(level + x) < 1 - LEVEL)[: arms - 1].mean() for x in drawn("normal", np.ones(arms), seeds, repeats)
        ]
        if np.mean(told) >= 0.8:
            return str(seeds)
    return f"> {MOST}"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    options = parser.parse_args()
    wide = errors(options.repeats)
    print("Any two of equal arms told apart\n", wide.round(3).to_string(index=False), sep="")
    highest = wide.groupby(["arms", "seeds"])[["plain", "rule"]].max().reset_index()
    print("\nHighest of these by arms and seeds\n", highest.round(3).to_string(index=False), sep="")
    print("\nPairs told apart\n", powers(options.repeats).round(3).to_string(index=False), sep="")
    print("\nSeeds for 80 % power\n", needed(options.repeats).to_string(index=False), sep="")


if __name__ == "__main__":
    main()
