"""What orchestrating thousands of trials costs: this project's run against bare Ray Tune, with trials that do nothing.

    python -m benchmarks.many_trials [--trials 10000] [--arms 400] [--mlflow] [--stock] [--profile]

Bare: a class trainable whose actors are reused, no loggers, no search algorithm; nothing is written down but what Tune
itself keeps. Ours: the whole path, from compiling the plan through journals that are flushed to disk to the tables in
Parquet, and with ``--mlflow`` a mirror in SQLite beside the run, its last pass included in the time. The mirror is a
process of its own, whose processor and memory have a line of their own, with the sum of both. With ``--stock`` also the
way that Tune and MLflow document (``benchmarks.stock_way``), of at most 100 trials: its cost of one does not fall. Then
``modstudy status``, ``collect`` and ``report`` of that run. Each side is a process with a Ray of its own, two trials at
a time; seconds count from when Ray has started. Memory is that of the driver, at quarters of the time.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.mirrored_run import MirrorCost, MirroredRun
from benchmarks.stock_way import stock
from study.collect.collect import write_progress
from study.definition.loading import dump_study
from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import compile_plan
from study.schedule.progress import read_progress
from study.tune.cluster import connected
from study.tune.runner import RunOptions, run_study

_AT_ONCE = 2
_SEEDS = 5
_SAMPLE_S = 0.5
_STOCK_TRIALS = 100
_TASKS = ["Smiling", "Hat", "Beard"]


@dataclass(frozen=True)
class Size:
    """The size of a study: all its trials, and the arms among which they are divided."""

    trials: int
    arms: int

    @property
    def tune(self) -> int:
        """Tune trials of an arm."""
        return max(1, self.trials // self.arms - _SEEDS)

    @property
    def total(self) -> int:
        """Trials of all arms."""
        return self.arms * (self.tune + _SEEDS)


@dataclass(frozen=True)
class Cost:
    """Wall and driver seconds of a run, the driver's memory in MB at quarters of it, its trials, and its mirror."""

    wall_s: float
    driver_s: float
    memory_mb: tuple[float, ...]
    trials: int
    mirror: MirrorCost = field(default_factory=MirrorCost)

    @property
    def with_mirror_s(self) -> float:
        """Seconds of both processes."""
        return self.driver_s + self.mirror.processor_s

    @classmethod
    def from_json(cls, text: str) -> Cost:
        """Return what ``asdict`` made a document of."""
        found = json.loads(text)
        memory, mirror = tuple(found.pop("memory_mb")), MirrorCost(**found.pop("mirror"))
        return cls(**found, memory_mb=memory, mirror=mirror)

    def __str__(self) -> str:
        """The costs of a trial, and the memory."""
        wall, driver = 1e3 * self.wall_s / self.trials, 1e3 * self.driver_s / self.trials
        memory = ", ".join(f"{size:.0f}" for size in self.memory_mb)
        return f"{wall:.1f} ms a trial, {driver:.1f} ms of the driver's processor; memory {memory} MB"


def definition(size: Size) -> StudyDefinition:
    """Return a study of late modulation that starts at so many different values; its trials have one epoch."""
    starts = [{"kind": "normal", "mean": round(0.5 + n / 1000, 4), "std": 0.1} for n in range(size.arms)]
    return StudyDefinition.model_validate(
        {
            "name": "many",
            "data": {"source": {"kind": "generated"}, "tasks": _TASKS, "image_size": 48},
            "network": {"width": 0.125},
            "optimization": {"epochs": 1},
            "space": {
                "blocks": [{"placement": ["late"], "initialization": starts}],
                "nuisance": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
            },
            "search": {"trials_per_arm": size.tune, "round_size": size.tune},
            "confirm": {"seeds": list(range(1, _SEEDS + 1))},
        }
    )


def ours(size: Size, folder: RunFolder, *, mlflow: bool) -> MirrorCost:
    """Run the study, and write its tables; return what its mirror costs."""
    study = definition(size)
    plan = compile_plan(study)
    folder.path.mkdir(parents=True, exist_ok=True)
    write_plan(plan, folder)
    folder.definition.write_text(dump_study(study), encoding="utf-8")
    mirror = MirroredRun(folder, "many") if mlflow else None
    with mirror or nullcontext():
        summary = run_study(plan, folder, RunOptions(max_concurrent=_AT_ONCE, runner="benchmarks.nothing:run_nothing"))
        write_progress(folder, read_progress(folder))
    if summary.completed != size.total:
        raise SystemExit(f"only {summary.completed} of {size.total} trials were completed")
    return mirror.cost if mirror else MirrorCost()


def bare(size: Size) -> None:
    """Run as many Tune trials that do nothing."""
    from ray import tune

    class Nothing(tune.Trainable):
        def reset_config(self, new_config: dict[str, Any]) -> bool:  # noqa: ARG002 - reused as it is
            return True

        def step(self) -> dict[str, Any]:
            return {"done": True}

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(_AT_ONCE)  # as our runs do: so many reuse actors
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as path:
        tuner = tune.Tuner(
            tune.with_resources(Nothing, {"cpu": 1}),
            param_space={"learning_rate": tune.loguniform(1e-4, 1e-1)},
            tune_config=tune.TuneConfig(num_samples=size.total, max_concurrent_trials=_AT_ONCE, reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=path, verbose=0, checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False)
            ),
        )
        if failed := tuner.fit().num_errors:
            raise SystemExit(f"{failed} of the bare trials failed")


def measured(run: Callable[[], MirrorCost], trials: int) -> Cost:
    """Return what a run costs this process, beside what it says of its mirror."""
    sizes: list[float] = []
    over = threading.Event()
    process = psutil.Process()

    def sample() -> None:
        while not over.wait(_SAMPLE_S):
            sizes.append(process.memory_info().rss / 2**20)

    watch = threading.Thread(target=sample, daemon=True)
    watch.start()
    wall, driver = time.perf_counter(), time.process_time()
    mirror = run()
    wall, driver = time.perf_counter() - wall, time.process_time() - driver
    over.set()
    watch.join()
    quarters = tuple(sizes[min(len(sizes) - 1, len(sizes) * n // 4)] for n in range(1, 5)) if sizes else ()
    return Cost(wall, driver, quarters, trials, mirror)


def _one_side(options: argparse.Namespace) -> None:
    """Run one side in this process, and print its cost as JSON on the last line."""
    size = Size(options.trials, options.arms)
    trials = min(size.total, _STOCK_TRIALS) if options.side == "stock" else size.total
    profile = cProfile.Profile() if options.profile else None

    def run() -> MirrorCost:
        mirror = MirrorCost()
        if profile:
            profile.enable()
        if options.side == "bare":
            bare(size)
        elif options.side == "stock":
            stock(trials, _AT_ONCE, _TASKS)
        else:
            mirror = ours(size, RunFolder(options.folder.resolve()), mlflow=options.side == "mlflow")
        if profile:
            profile.disable()
        return mirror

    with connected(None, threads=1):
        cost = measured(run, trials)
    if profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
        pstats.Stats(profile, stream=sys.stderr).sort_stats("cumulative").print_stats(70)
    print(json.dumps(asdict(cost)))


def _side(name: str, options: argparse.Namespace, folder: Path) -> Cost:
    command = [sys.executable, "-m", "benchmarks.many_trials", "--side", name, "--folder", str(folder)]
    command += ["--trials", str(options.trials), "--arms", str(options.arms)]
    command += ["--profile"] if options.profile else []
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        raise SystemExit(f"the side {name!r} ended with status {ended.returncode}")
    return Cost.from_json(ended.stdout.splitlines()[-1])


def _command(name: str, folder: Path) -> str:
    """Return what a command costs in a process of its own."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "study", name, str(folder)], check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return f"{name}: {time.perf_counter() - start:.1f} s ({processor:.1f} s of processors)"


def main() -> None:
    """Print the cost of a trial on both sides, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--arms", type=int, default=400)
    parser.add_argument("--mlflow", action="store_true")
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--side", choices=("bare", "stock", "ours", "mlflow"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        _one_side(options)
        return
    print(f"load of the machine over the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path) / "many"
        theirs = _side("bare", options, folder)
        print(f"bare: {theirs}")
        mine = _side("mlflow" if options.mlflow else "ours", options, folder)
        print(f"ours{' with MLflow' if options.mlflow else ''}: {mine}")
        wall, driver = mine.wall_s / theirs.wall_s, mine.driver_s / theirs.driver_s
        print(f"ratio: {wall:.2f} of the time, {driver:.2f} of the driver's processor, {mine.trials} trials")
        if options.mlflow:
            own, both = (1e3 * seconds / mine.trials for seconds in (mine.mirror.processor_s, mine.with_mirror_s))
            print(
                f"mirror: {own:.1f} ms of a processor a trial, {mine.mirror.memory_mb:.0f} MB in a process of its own;"
                f" with the driver's {both:.1f} ms, {mine.with_mirror_s / theirs.driver_s:.2f} of bare"
            )
        if options.stock:
            theirs = _side("stock", options, folder)
            wall = theirs.wall_s / theirs.trials / (mine.wall_s / mine.trials)
            driver = theirs.driver_s / theirs.trials / (mine.driver_s / mine.trials)
            print(f"stock: {theirs}")
            print(f"stock, per trial: {wall:.1f} times our time, {driver:.1f} times our driver's processor")
        for name in ("status", "collect", "report"):
            print(_command(name, folder))


if __name__ == "__main__":
    main()
