"""Submits a run to a cluster as a Ray job, so that its driver lives there and outlasts this machine's connection."""

from __future__ import annotations

import logging
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from study.errors import UserError
from study.tune.cluster import first_line, set_environment
from trainables.foundation.objects.address import shown

STUDY_FILE = "study.yaml"

_LOG = logging.getLogger(__name__)

# What the server of Ray 2.60 answers until a node has started the agent that runs jobs.
_NO_AGENT = "No available agent"
_TALKATIVE = ("ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging")
"""Loggers of Ray that tell of every package that is made and uploaded."""

_AGENT_PATIENCE_S = 120.0
_POLL_S = 2.0


@dataclass(frozen=True)
class Job:
    """A run that a cluster is to drive.

    Attributes:
        folder: holds the study file, as ``study.yaml``, and this project's packages where the nodes' own are not to be
            used; it is uploaded, and all processes of the job look for modules there first.
        runs: the folder of the runs: an absolute path that all nodes share, or a URL.
        options: further options of ``modstudy run``.
    """

    folder: Path
    runs: Path
    options: tuple[str, ...] = ()

    @property
    def entrypoint(self) -> str:
        """The command that the cluster executes."""
        command = ["python", "-m", "study", "run", STUDY_FILE, "--address", "auto", "--runs-dir", shown(self.runs)]
        return shlex.join([*command, *self.options])


def submit_job(job: Job, address: str) -> str:
    """Submit a run to the dashboard of a cluster's head; return the id of the job.

    A head answers before it can run jobs; it is given two minutes.

    Raises:
        UserError: the address is none of a dashboard, nothing answers there, or it does not take the job.
    """
    if not address.startswith(("http://", "https://")):
        raise UserError(
            f"--address {address}: jobs are submitted to the dashboard of the head, such as http://HEAD:8265"
            " (HEAD:6379 is an address for modstudy run)"
        )
    set_environment(local=False)
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    environment = {"working_dir": str(job.folder)}
    end = time.monotonic() + _AGENT_PATIENCE_S
    try:
        client = JobSubmissionClient(address)
        while True:
            try:
                return client.submit_job(entrypoint=job.entrypoint, runtime_env=environment)
            except RuntimeError as error:
                if _NO_AGENT not in str(error) or time.monotonic() > end:
                    raise
            _LOG.warning("%s cannot run jobs yet; waiting up to %.0f s", address, end - time.monotonic())
            time.sleep(_POLL_S)
    except (AuthenticationError, ConnectionError, RuntimeError, ValueError) as error:  # whatever a server answers
        raise UserError(f"--address {address}: the job was not taken: {first_line(error)}") from error
