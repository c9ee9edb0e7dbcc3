"""One process of a probe: builds the network of an arm, takes its first steps, and then trains when it is told to.

Started as ``python -m study.packing.member``. It reads one JSON value a line from standard input: an ``Assignment``,
then the seconds of each window, and answers each on standard output; after ``LEAVE`` another assignment may follow. Its
input ends with the process that started it, and so does it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

from trainables.config.trial import TrialConfig
from trainables.failures import TrialFailure

LEAVE = "leave"
"""Tells it to give back what the assignment took of the device, and to wait for another one."""


@dataclass(frozen=True)
class Assignment:
    """What a member trains: a trial's configuration as JSON values, and the cache of decoded images."""

    config: dict[str, Any]
    cache: str


def main() -> None:
    """Serve the process that started this one."""
    answers = _own_output()
    try:
        for answer in _served(sys.stdin):
            print(json.dumps(answer), file=answers, flush=True)
    except Exception as error:  # noqa: BLE001 - it travels to the process that asked
        traceback.print_exc()
        kind = error.kind if isinstance(error, TrialFailure) else "failed"
        print(json.dumps({"failed": kind, "message": str(error) or type(error).__name__}), file=answers, flush=True)


def _own_output() -> IO[str]:
    """Return a stream to the process that asked; what libraries print goes to standard error from here on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _served(requests: IO[str]) -> Iterator[dict[str, Any]]:
    from trainables.training.throughput import steady_training

    for line in requests:
        assignment = Assignment(**json.loads(line))
        config = TrialConfig.model_validate(assignment.config)
        with steady_training(config, Path(assignment.cache)) as training:
            yield {
                "device": asdict(training.device),
                "steps_per_epoch": training.steps_per_epoch,
                "validation_seconds": training.validation_seconds,
            }
            for window in takewhile(lambda request: request.strip() != LEAVE, requests):
                yield asdict(training.run(float(window)))


if __name__ == "__main__":
    main()
