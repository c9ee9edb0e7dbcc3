"""Trial runners for orchestration: real work orders, journals, checkpoints and processes around next to no training.

Workers import this module by name, so the folder must be on ``sys.path`` of the driver.
"""

from __future__ import annotations

import ctypes
import errno
import json
import math
import os
import signal
import time
from pathlib import Path

import torch

from trainables.config.trial import TrialConfig
from trainables.failures import DivergedError, typed_failures
from trainables.foundation.device_share import device_share
from trainables.foundation.pulse import beat
from trainables.outcome import EpochRecord, TaskMetric, TrialOutcome


def _metrics(config: TrialConfig, epoch: int) -> tuple[TaskMetric, ...]:
    """A smooth peak over the learning rate, different for every arm and seed, growing with epochs."""
    peak = -2.0 - 0.3 * len(config.modulation.points)
    height = math.exp(-((math.log10(config.optimization.learning_rate) - peak) ** 2)) * (1 - 0.5**epoch)
    value = height - 0.01 * config.train_seed
    return tuple(
        TaskMetric(split, task, "triplet_accuracy", "query", value / (1 + index), 0.5, 10)
        for split in config.evaluation.splits
        for index, task in enumerate(config.data.tasks)
    )


def train(config, *, report, workspace: Path, cache: Path, until_epoch: int | None = None) -> TrialOutcome:
    """Do no work, but keep a checkpoint that a continued trial goes on from."""
    checkpoint = workspace / "checkpoint.pt"
    done = json.loads(checkpoint.read_text())["epoch"] if checkpoint.exists() else 0
    epochs = config.optimization.epochs
    while done < (until_epoch or epochs):
        done += 1
        report(EpochRecord(done, 0.001, {"train/loss": 1.0 / done}))
        checkpoint.write_text(json.dumps({"epoch": done}))
    return TrialOutcome(done, done == epochs, _metrics(config, done), 1, None)


def train_until_succeeded(config, *, report, workspace: Path, **_parts) -> TrialOutcome:
    """Report an epoch, lose the trial to another process, and report another one."""
    report(EpochRecord(1, 0.001, {"train/loss": 1.0}))
    (record,) = (workspace / ".trial.lock.lease").glob("*.json")
    record.with_name(f"{int(record.stem) + 1:08d}.json").write_text(
        record.read_text().replace('"token": "', '"token": "x')
    )
    report(EpochRecord(2, 0.001, {"train/loss": 0.5}))
    return train(config, report=report, workspace=workspace, **_parts)


def train_and_note_service(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Note where this worker looks for NVIDIA's Multi-Process Service, and whether its daemon is there."""
    pipes = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "")
    (workspace / "service.json").write_text(json.dumps([pipes, Path(pipes, "control").exists()]))
    return train(config, workspace=workspace, **parts)


def train_own_network(config, **parts) -> TrialOutcome:
    """Build the model, whose code is the user's, before doing as ``train`` does."""
    from trainables.networks.multi_task import build_model

    build_model(config)
    return train(config, **parts)


def train_slowly(config, **parts) -> TrialOutcome:
    """Take a quarter of a second an epoch."""
    report = parts.pop("report")

    def report_late(record: EpochRecord) -> None:
        time.sleep(0.25)
        report(record)

    return train(config, report=report_late, **parts)


def train_and_die_once(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Kill the worker from outside, as the kernel does when memory runs out: once for every trial of seed 0."""
    scar = workspace / "died"
    if config.train_seed == 0 and not scar.exists():
        scar.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return train(config, workspace=workspace, **parts)


def train_or_fail(config, **parts) -> TrialOutcome:
    """Crash in every attempt of arms with modulation; diverge in the arm with several networks."""
    if config.modulation.points:
        raise ArithmeticError("as told")
    if len(config.network_groups) > 1:
        raise DivergedError("epoch 1, step 1: the loss is nan")
    return train(config, **parts)


def fail_in_many_ways(config, **parts) -> TrialOutcome:
    """Crash in every attempt of arms with modulation, every trial with words of its own."""
    if config.modulation.points:
        words = str(config.optimization.learning_rate).translate(str.maketrans("0123456789", "abcdefghij"))
        raise ArithmeticError(f"as told, {words}")
    return train(config, **parts)


def fail_alike(config, *, workspace: Path, **parts) -> TrialOutcome:
    """End in one and the same error but for an address, a number and the trial's folder."""
    raise RuntimeError(f"{workspace}: no gradient for <Parameter at {hex(id(config))}> at {config.train_seed}")


def fail_alike_with_modulation(config, **parts) -> TrialOutcome:
    """Fail as ``fail_alike`` does in arms with modulation."""
    return fail_alike(config, **parts) if config.modulation.points else train(config, **parts)


@typed_failures()
def run_out_of_memory_once(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Find no memory in the first attempt of every trial, as beside a neighbour that has it all."""
    scar = workspace / "short-of-memory"
    if not scar.exists():
        scar.touch()
        raise MemoryError
    return train(config, workspace=workspace, **parts)


@typed_failures()
def run_out_of_memory_twice(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Find no memory in the first two attempts of every trial."""
    scar = workspace / "short-of-memory"
    times = len(scar.read_text()) if scar.exists() else 0
    if times < 2:
        scar.write_text("x" * (times + 1))
        raise MemoryError
    return train(config, workspace=workspace, **parts)


@typed_failures()
def fit_no_large_batch(config, **parts) -> TrialOutcome:
    """Need more memory than there is for 96 images."""
    if config.batches.batch_size > 48:
        raise MemoryError("Unable to allocate 2.00 TiB")
    return train(config, **parts)


def fail_at_low_rates(config, **parts) -> TrialOutcome:
    """Fail in code, equally wherever it runs."""
    if config.optimization.learning_rate < 3e-3:
        raise ValueError("the rate is too low")
    return train(config, **parts)


def hang_once(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Hang once, in a trial with modulation, in foreign code that never gives the interpreter back."""
    scar = workspace / "hung"
    if config.modulation.points and config.train_seed == 0 and not scar.exists():
        scar.touch()
        beat()
        ctypes.PyDLL(None).sleep(100_000)
    return train(config, workspace=workspace, **parts)


def stop_once(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Be stopped once from outside, in a trial with modulation, as a process is that will never be continued."""
    scar = workspace / "stopped"
    if config.modulation.points and config.train_seed == 0 and not scar.exists():
        scar.touch()
        beat()
        os.kill(os.getpid(), signal.SIGSTOP)
    return train(config, workspace=workspace, **parts)


def outgrow_the_machine_once(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Take more and more memory, in a trial with modulation, until Ray ends this process or 11 GiB are taken.

    Ray counts the whole machine, and other tests may give back some of what they had when the limit was set.
    """
    scar = workspace / "outgrown"
    if config.modulation.points and config.train_seed == 0 and not scar.exists():
        scar.touch()
        taken = []
        while len(taken) < 176:
            taken.append(b"x" * 2**26)
            time.sleep(0.05)
        time.sleep(5)
    return train(config, workspace=workspace, **parts)


def note_niceness(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Write down how nice the worker is."""
    (workspace / "niceness").write_text(str(os.nice(0)))
    return train(config, workspace=workspace, **parts)


@typed_failures()
def find_the_disk_full(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Find no room for the checkpoint, as ``write`` says it: without the name of a file."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@typed_failures(torch.OutOfMemoryError)
def fill_the_share(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Need more than half of a GPU; check that the whole one is there for it alone, and no other batch."""
    with (workspace / "shares").open("a") as shares:
        shares.write(f"{device_share()}\n")
    if device_share() <= 0.5:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return train(config, workspace=workspace, **parts)


@typed_failures(torch.OutOfMemoryError)
def fit_no_gpu_with_modulation(config, **parts) -> TrialOutcome:
    """Need more than a GPU has in arms with modulation."""
    if config.modulation.points:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 TiB.")
    return train(config, **parts)


@typed_failures(torch.OutOfMemoryError)
def fit_no_gpu_later_on(config, *, report, **parts) -> TrialOutcome:
    """Run out of memory in the last epoch of trials with modulation."""

    def report_until_it_is_full(record: EpochRecord) -> None:
        if config.modulation.points and record.epoch == config.optimization.epochs:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 TiB.")
        report(record)

    return train(config, report=report_until_it_is_full, **parts)


def note_the_gpu(config, *, workspace: Path, meet_on: int = 1, **parts) -> TrialOutcome:
    """Write down which GPU of which node the trial sees, for how much of it and how long, and stay on it a moment.

    The first trials wait for each other until there are some on so many GPUs: otherwise a worker that starts early
    would train all the short trials before another has started.
    """
    import ray

    began, seen, node = time.time(), os.environ.get("CUDA_VISIBLE_DEVICES"), ray.get_runtime_context().get_node_id()
    place = workspace.parents[1] / "met"
    place.mkdir(exist_ok=True)
    (place / f"{node}-{seen}").touch()
    while len(list(place.iterdir())) < meet_on and time.time() < began + 240:
        time.sleep(0.1)
    time.sleep(0.2)
    outcome = train(config, workspace=workspace, **parts)
    with (workspace / "gpu.jsonl").open("a") as notes:
        note = {"node": node, "gpu": seen, "share": device_share(), "pid": os.getpid()}
        notes.write(json.dumps({**note, "began": began, "ended": time.time()}) + "\n")
    return outcome


def meet_on_two_gpus(config, **parts) -> TrialOutcome:
    """Do as ``note_the_gpu`` on two GPUs."""
    return note_the_gpu(config, meet_on=2, **parts)


@typed_failures(torch.OutOfMemoryError)
def fill_two_gpus(config, *, meet_on: int = 2, **parts) -> TrialOutcome:
    """Do as ``note_the_gpu`` on two GPUs, and need a whole one in arms with modulation."""
    outcome = note_the_gpu(config, meet_on=meet_on, **parts)
    if config.modulation.points and device_share() < 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return outcome


def fill_eight_gpus(config, **parts) -> TrialOutcome:
    """Do as ``fill_two_gpus`` on eight."""
    return fill_two_gpus(config, meet_on=8, **parts)
