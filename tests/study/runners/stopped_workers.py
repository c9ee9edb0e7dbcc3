"""A worker that is stopped while its process comes up, once in a run."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from study.tune.execution import WorkOrder
from study.tune.worker import Worker


class StoppedOnce(Worker):
    """Is stopped from outside before it is up: as a process that imports from storage that never answers."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        scar = Path(WorkOrder.from_json(config["order"]).folder).parent / "stopped"
        try:
            scar.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGSTOP)
