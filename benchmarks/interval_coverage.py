"""Coverage of the intervals over seeds, error of the set of best arms, and seeds needed to tell two arms apart.

    python -m benchmarks.interval_coverage [--repeats 4000] [--studies docs/studies]

Prints the tables of docs/statistics.md: how often 95 % intervals cover the true value when values over seeds are
normal, skewed, heavy-tailed or hold a failed seed now and then; how often the truly best of equal arms is excluded; the
standard deviation of paired differences that completed studies had, from their ``summary.csv``; and what follows for
the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from results.analysis.front.costed import CostedArms
from results.analysis.front.uncertainty import front_uncertainty
from results.analysis.inference.aggregate import interquartile_mean
from results.analysis.inference.best import best_arms
from results.analysis.inference.intervals import jackknife, student_bounds
from results.analysis.inference.power import seeds_needed
from results.analysis.inference.scores import Scores
from results.analysis.inference.variation import crossed_mean
from results.analysis.inference.verdicts import verdicts_on
from results.analysis.statistics import Floats, bootstrap_mean, student_quantile

SEEDS = (2, 3, 4, 5, 8, 10)
DIFFERENCES = (0.005, 0.01, 0.02, 0.03, 0.05)
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]
LAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "skewed": lambda rng, shape: 2 - rng.gamma(2, size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(3, shape),
    "failed seeds": lambda rng, shape: rng.standard_normal(shape) - 5 * (rng.random(shape) < 0.1) + 0.5,
}
"""Laws of mean 0: a gamma of shape 2 with its tail at low values, Student's t of 3, one seed in ten 5 lower."""


def coverage(repeats: int) -> pd.DataFrame:
    """Return the share of 95 % intervals that hold the true mean, by interval, law and number of seeds."""
    rows = []
    for law, draw in LAWS.items():
        for n in SEEDS:
            values = draw(np.random.default_rng(n), (repeats, n))
            student = student_bounds(values)
            boots = [bootstrap_mean(row) for row in values[: repeats // 2]]
            inside = [
                low <= 0 <= high
                for low, high in ((b.low, b.high) for b in boots)
                if low is not None and high is not None
            ]
            rows.append((law, n, "Student t", float(((student.low <= 0) & (student.high >= 0)).mean())))
            rows.append((law, n, "percentile bootstrap", float(np.mean(inside))))
    return pd.DataFrame(rows, columns=["law", "seeds", "interval", "coverage"])


def aggregate_coverage(repeats: int) -> pd.DataFrame:
    """Return the coverage of the interquartile mean's and of the crossed interval, 8 normal tasks of unequal level."""
    rows = []
    for n in SEEDS[1:4]:
        rng, inside, crossed = np.random.default_rng(n), 0, 0
        for _ in range(repeats // 4):
            runs = rng.normal(0, 1, (n, 1)) + rng.normal(0, 1, (n, 8))
            spread = np.linspace(-3, 3, 8)  # symmetric: the true interquartile mean is 0
            found = jackknife(interquartile_mean, runs + spread)
            inside += found.low is not None and found.high is not None and found.low <= 0 <= found.high
            both = crossed_mean(runs + rng.normal(0, 2, 8))
            crossed += both.low is not None and both.high is not None and both.low <= 0 <= both.high
        rows.append((n, inside / (repeats // 4), crossed / (repeats // 4)))
    return pd.DataFrame(rows, columns=["seeds", "interquartile mean, jackknife", "mean over seeds and tasks"])


def best_set(repeats: int) -> pd.DataFrame:
    """Return how often one given arm of 8 equal ones is in the set of best arms, and how many are if one is ahead."""
    rows = []
    spread = np.linspace(0.5, 2, 8)[:, None, None]
    for n in SEEDS[1:]:
        rng, kept, size = np.random.default_rng(n), 0, 0
        for _ in range(repeats // 2):
            noise = rng.normal(size=(8, n, 1)) * spread
            tied = _tied(noise)
            kept += "0" in tied
            size += len(_tied(noise + 3.0 * (np.arange(8) == 3)[:, None, None]))
        rows.append((n, kept / (repeats // 2), size / (repeats // 2)))
    return pd.DataFrame(rows, columns=["seeds", "best arm kept", "arms left of 8 when one is 3 deviations ahead"])


def band_coverage(repeats: int) -> pd.DataFrame:
    """Return how often the band covers the highest true mean of 8 arms of one deviation, equal or in steps of it."""
    rows = []
    for n in SEEDS[1:]:
        shares = []
        for step in (0.0, 0.5, 2.0):
            rng, truth, inside = np.random.default_rng(n), step * np.arange(8), 0
            for _ in range(repeats // 20):
                values = 0.5 + 0.001 * (truth[:, None] + rng.normal(size=(8, n)))
                band = front_uncertainty(CostedArms(tuple("abcdefgh"), values, np.zeros(8), 0.5)).band.iloc[-1]
                inside += band["low"] <= 0.5 + 0.001 * truth[-1] <= band["high"]
            shares.append(inside / (repeats // 20))
        rows.append((n, *shares))
    return pd.DataFrame(rows, columns=["seeds", "equal arms", "half a deviation apart", "two deviations apart"])


def _tied(array: Floats) -> tuple[str, ...]:
    names = tuple(map(str, range(len(array))))
    scores = Scores("m", "query", names, names, tuple(range(array.shape[1])), ("t",), array, np.zeros(1), np.ones(1))
    found = best_arms(verdicts_on(scores))
    return found.tied if found else ()


def deviations(studies: Path) -> pd.DataFrame:
    """Return quartiles of the standard deviation of paired differences in completed studies, from their intervals."""
    rows = []
    for path in sorted(studies.glob("*/summary.csv")):
        summary = pd.read_csv(path)
        found: list[float] = []
        for reference in ("shared", "separate"):
            name = f"delta_{reference}"
            high = f"{name}_t_high" if f"{name}_t_high" in summary else f"{name}_high"  # before schema version 3
            known = summary[summary[high].notna()] if high in summary else summary.head(0)
            for row in known.to_dict("records"):
                half = row[high] - row[f"{name}_mean"]
                found.append(half * np.sqrt(row["n_seeds"]) / student_quantile(int(row["n_seeds"]) - 1))
        rows += [(path.parent.name, value) for value in found]
    frame = pd.DataFrame(rows, columns=["study", "deviation"])
    whole = frame.assign(study="all")
    quartiles = pd.concat([frame, whole]).groupby("study", sort=False)["deviation"].describe()
    return quartiles[["count", "25%", "50%", "75%"]].reset_index()


def needed(deviation: pd.Series[float]) -> pd.DataFrame:
    """Return the seeds that tell two arms apart with 80 % power, by deviation of the paired difference."""
    rows = [[d, *(str(seeds_needed(d / float(s))) for s in deviation)] for d in DIFFERENCES]
    return pd.DataFrame(rows, columns=["difference", *(f"deviation {s:.4f}" for s in deviation)])


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--studies", type=Path, default=Path("docs/studies"))
    options = parser.parse_args()
    table = coverage(options.repeats).pivot_table(
        index="seeds", columns=["law", "interval"], values="coverage", sort=False
    )
    print("Share of 95 % intervals that cover the true mean\n", table.round(3).to_string(), sep="")
    print("\nCoverage of aggregates\n", aggregate_coverage(options.repeats).round(3).to_string(index=False), sep="")
    print("\nSet of best arms\n", best_set(options.repeats).round(3).to_string(index=False), sep="")
    print("\nBand of the front\n", band_coverage(options.repeats).round(3).to_string(index=False), sep="")
    found = deviations(options.studies)
    print("\nStandard deviation of paired differences\n", found.round(4).to_string(index=False), sep="")
    quartiles = found.iloc[-1][["25%", "50%", "75%"]].astype(float)
    print("\nSeeds for 80 % power\n", needed(quartiles).to_string(index=False), sep="")


if __name__ == "__main__":
    main()
