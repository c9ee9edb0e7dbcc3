"""The generated tables of completed studies, from the ``summary.csv`` beside each page; see ``generate.py``."""  # noqa: INP001

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.interval_coverage import deviations, needed

Rows = list[list[str]]
_METRICS = (
    ("triplet_accuracy", "triplet accuracy"),
    ("recall_at_1", "Recall@1"),
    ("map_at_r", "MAP@R"),
    ("mean_average_precision", "mean average precision"),
)
RANKING = (
    "rank",
    "arm",
    "triplet accuracy",
    "worst task",
    "Recall@1",
    "MAP@R",
    "added parameters",
    "added",
    "size fp32",
    "training cost",
    "against shared",
    "against separate",
)


DEVIATIONS = ("study", "differences", "lower quartile", "median", "upper quartile")
SHARES = ("arm", *(title for _, title in _METRICS))


def reported(folder: Path) -> pd.DataFrame:
    """Return the rows of a study's summary that have test results."""
    summary = pd.read_csv(folder / "summary.csv")
    return summary[summary["n_seeds"] > 0]


def ranking(folder: Path) -> Rows:
    """Return every arm with test results by its mean test triplet accuracy, with what it stores.

    Its training cost is in multiply-adds, relative to the shared network at equal steps.
    """
    summary = reported(folder).sort_values("triplet_accuracy_mean", ascending=False, kind="stable")
    return [[str(rank), *_cells(row)] for rank, row in enumerate(summary.to_dict("records"), start=1)]


def gap_shares(folder: Path) -> Rows:
    """Return, for every arm but the references, the share of the gap from shared to separate that it closes."""
    summary = reported(folder).set_index("arm")
    means = summary[[f"{name}_mean" for name, _ in _METRICS]]
    shares = (means - means.loc["shared"]) / (means.loc["separate"] - means.loc["shared"])
    rows = shares.drop(index=["shared", "separate"])
    return [
        [f"`{arm}`", *(f"{share:.2f}" for share in row)] for arm, row in zip(rows.index, rows.to_numpy(), strict=True)
    ]


def _cells(row: dict[str, float | str]) -> list[str]:
    def number(name: str) -> float:
        return float(row.get(name, float("nan")))

    def difference(reference: str) -> str:
        bounds = ("t_low", "t_high") if f"delta_{reference}_t_low" in row else ("low", "high")  # before version 3
        mean, low, high = (number(f"delta_{reference}_{part}") for part in ("mean", *bounds))
        return "-" if pd.isna(mean) else f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"

    accuracy = [number(f"triplet_accuracy_{part}") for part in ("mean", "low", "high")]
    return [
        f"`{row['arm']}`",
        f"{accuracy[0]:.3f} [{accuracy[1]:.3f}, {accuracy[2]:.3f}]",
        f"{number('triplet_accuracy_worst_task_mean'):.3f}",
        f"{number('recall_at_1_mean'):.3f}",
        f"{number('map_at_r_mean'):.3f}",
        f"{int(number('added_parameters')):,}",
        f"{100 * number('added_share'):.3g} %",
        f"{number('bytes_fp32') / 1000:,.1f} kB",
        f"{number('training_cost'):.3g} x",
        difference("shared"),
        difference("separate"),
    ]


def deviation_rows(studies: Path) -> Rows:
    """Return the quartiles of the deviations of paired differences between seeds, by study and over all."""
    return [
        [study, f"{count:.0f}", *(f"{value:.4f}" for value in quartiles)]
        for study, count, *quartiles in deviations(studies).itertuples(index=False)
    ]


def needed_rows(studies: Path) -> tuple[list[str], Rows]:
    """Return the seeds that tell two arms apart at these quartiles, with the heads of the columns."""
    table = needed(deviations(studies).iloc[-1][["25%", "50%", "75%"]].astype(float))
    return list(table), [[f"{difference:.3f}", *seeds] for difference, *seeds in table.itertuples(index=False)]
