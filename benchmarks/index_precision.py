"""Bytes of an index against recall, by precision, on the test images of real data sets.

    python -m benchmarks.index_precision FOLDER... [--epochs 3] [--out docs/figures/index-precision.png]

FOLDER holds Parquet files in the Hugging Face image layout. A small network is trained on its training images (seed 1,
no tuning), exported, and its test images are indexed once at each precision. Recall@10 of neighbours: the share of the
ten nearest images of the exact fp32 search that are among the ten of this index, mean over queries and tasks; the
queries are test images, compared with all others. Label recall@1: the share of queries whose nearest image has their
label. Vectors are also counted on disk.
"""

from __future__ import annotations

import argparse
import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.drawn_network import facts
from trainables.config.identity import trial_id
from trainables.config.trial import TrialConfig
from trainables.index import ImageIndex, InIndex
from trainables.packs.exporting import TrainedNetwork, export_network
from trainables.run import WEIGHTS_FILE, run_trial
from trainables.training.runtime import trial_runtime
from trainables.training.weights import restored_model
from trainables.trial import Surroundings

TOP = 10
ARMS: dict[str, dict[str, Any]] = {
    "embedding": {"points": ("fc",), "initialization": {"kind": "normal", "mean": 0.9, "std": 0.7}},
    "late": {"points": ("res5", "fc")},
}
FORMATS: tuple[tuple[str, str | None], ...] = (
    ("fp32", None),
    ("fp16", None),
    ("int8", None),
    ("1bit", "int8"),
    ("1bit", "none"),
)
MARKERS = {"fp32": "o", "fp16": "s", "int8": "^", "1bit + int8": "D", "1bit alone": "v"}
TASKS = {"fashion_shoes": ("type", "gender", "colour", "season")}
FACES = ("Smiling", "Eyeglasses", "Male", "Wearing_Hat")


@dataclass(frozen=True)
class Point:
    """One index: where it is in the figure, and its row in the table."""

    data: str
    arm: str
    form: str
    bytes_per_image: int
    recall: float
    label_recall: Mapping[str, float]


def trained(folder: Path, arm: str, options: argparse.Namespace, home: Path) -> Path:
    """Train a small network and return the folder of its pack."""
    config = TrialConfig.model_validate(
        {
            "data": {
                "source": {"kind": "parquet", "path": folder},
                "tasks": TASKS.get(folder.name, FACES),
                "image_size": options.size,
            },
            "network": {
                "backbone": "simplenet",
                "width": options.width,
                "embedding_size": options.embedding,
                "batch_norm_momentum": 0.05,
            },
            "modulation": ARMS[arm],
            "optimization": {"optimizer": "adam", "learning_rate": 1e-3, "epochs": options.epochs},
            "train_seed": 1,
        }
    )
    workspace, cache = home / f"trial-{folder.name}-{arm}", home / f"cache-{folder.name}"
    run_trial(config, report=lambda record: print(f"  epoch {record.epoch}"), workspace=workspace, cache=cache)
    with trial_runtime(config.compute) as runtime:
        fingerprint = Surroundings.of(config, cache, runtime).dataset.fingerprint
    model, _ = restored_model(workspace / WEIGHTS_FILE, trial_id(config, fingerprint), config)
    export_network(home / "packs", f"{folder.name}/{arm}", TrainedNetwork(model, config), facts(source=folder.name))
    return home / "packs"


def nearest(index: ImageIndex, names: Sequence[str]) -> dict[str, list[list[Any]]]:
    """Return by task the matches of each query."""
    return {task: [list(index.search(InIndex(name), task, top=TOP)) for name in names] for task in index.tasks}


def measured(folder: Path, arm: str, options: argparse.Namespace, home: Path) -> list[Point]:
    """Train, index at every precision, and compare with fp32."""
    print(f"{folder.name}, {arm}", flush=True)
    packs, points, truth = trained(folder, arm, options, home), [], {}
    images = next((folder / "data").glob("test-*.parquet"))
    for scanned, rescore in FORMATS:
        name = scanned if rescore is None else f"{scanned} + {rescore}" if rescore != "none" else f"{scanned} alone"
        place = home / f"index-{folder.name}-{arm}-{name.replace(' ', '')}"
        made = {"precision": scanned, "rescore": rescore, "thumbnails": 0}
        index = ImageIndex.create(place, packs, model=f"{folder.name}/{arm}", **made)  # type: ignore[arg-type]
        index.add_from(images)
        check_bytes(index)
        table = {row["id"]: labels(row) for segment in index.segments for row in segment.table.to_pylist()}
        names = list(table)[:: max(1, len(table) // options.queries)][: options.queries]
        found = nearest(index, names)
        truth = truth or found
        recall = statistics.mean(
            len({match.id for match in mine} & {match.id for match in exact}) / TOP
            for task in found
            for mine, exact in zip(found[task], truth[task], strict=True)
        )
        right = {task: statistics.mean(hits(names, table, task, found[task])) for task in found}
        points.append(Point(folder.name, arm, name, index.manifest.vector_bytes, recall, right))
        print(row_of(points[-1]), flush=True)
    return points


def check_bytes(index: ImageIndex) -> None:
    """Hold the bytes that the index says against those on disk, without the headers of the arrays."""
    arrays = list(index.folder.glob("segments/*/*.npy"))
    written = sum(path.stat().st_size - 128 for path in arrays)
    if written != len(index) * index.manifest.vector_bytes:
        raise RuntimeError(f"{written} bytes written, {len(index) * index.manifest.vector_bytes} expected")


def labels(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of a row of a table of images."""
    return {key.removeprefix("label:"): text for key, text in row.items() if key.startswith("label:") and text}


def hits(names: Sequence[str], table: Mapping[str, Mapping[str, str]], task: str, found: Sequence[Any]) -> list[bool]:
    """Return for each labelled query whether its nearest image has its label."""
    pairs = [(table[name].get(task), mine[0].labels.get(task)) for name, mine in zip(names, found, strict=True)]
    return [wanted == got for wanted, got in pairs if wanted is not None]


def row_of(point: Point) -> str:
    """Return a row of the Markdown table."""
    mean = statistics.mean(point.label_recall.values())
    return (
        f"| {point.data} | {point.arm} | {point.form} | {point.bytes_per_image:,} | {point.recall:.3f} | {mean:.3f} |"
    )


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw recall against bytes, one line for each network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for data, arm in dict.fromkeys((point.data, point.arm) for point in points):
        own = sorted((p for p in points if (p.data, p.arm) == (data, arm)), key=lambda p: p.bytes_per_image)
        axes.plot([p.bytes_per_image for p in own], [p.recall for p in own], label=f"{data}, {arm}")
        colour = axes.lines[-1].get_color()
        for point in own:
            axes.plot(point.bytes_per_image, point.recall, MARKERS[point.form], color=colour, markersize=8)
    for form, marker in MARKERS.items():
        axes.plot([], [], marker, color="grey", label=form)
    axes.set_xscale("log")
    axes.set_xlabel("bytes of an image's vectors")
    axes.set_ylabel(f"recall@{TOP} of the exact fp32 neighbours")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print a Markdown table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--embedding", type=int, default=128)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--out", type=Path, default=Path("index-precision.png"))
    parser.add_argument("--keep", type=Path, help="Folder in which networks and indexes stay.")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with TemporaryDirectory() as folder:
        home = options.keep or Path(folder)
        points = [
            point for data in options.folders for arm in options.arms for point in measured(data, arm, options, home)
        ]
    print("\n| images | arm | vectors | bytes/image | recall@10 of fp32 | label recall@1 |")
    print("| :--- | :--- | :--- | ---: | ---: | ---: |")
    print("\n".join(map(row_of, points)))
    draw(points, options.out)


if __name__ == "__main__":
    main()
