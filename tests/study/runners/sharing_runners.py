"""Trial runners that share the nodes of a cluster, of which one needs a node to itself."""

from __future__ import annotations

import json
import time
from pathlib import Path

import ray
from orchestration_runners import run_out_of_memory_twice, train

from trainables.outcome import TrialOutcome

_PATIENCE_S = 240.0


def be_alone_beside_another_node(config, *, workspace: Path, **parts) -> TrialOutcome:
    """Find no memory twice in arms with modulation; with several networks stay until such a trial has come to its end.

    Each notes its node, and how many CPUs of it were its own.
    """
    done = workspace.parents[1] / "alone-and-done"
    here = ray.get_runtime_context()
    note = {"node": here.get_node_id(), "cpus": here.get_assigned_resources()["CPU"]}
    if config.modulation.points:
        outcome = run_out_of_memory_twice(config, workspace=workspace, **parts)
        done.touch()
    else:
        end = time.monotonic() + _PATIENCE_S
        while len(config.network_groups) > 1 and not done.exists() and time.monotonic() < end:
            time.sleep(0.1)
        outcome = train(config, workspace=workspace, **parts)
    (workspace / "place.json").write_text(json.dumps({**note, "saw": done.exists()}))
    return outcome
