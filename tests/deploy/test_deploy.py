"""The files of deploy/: each against its schema, or run dry, as far as that goes without a cloud."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from typer.main import get_command

from study.cli import app

DEPLOY = Path(__file__).parents[2] / "deploy"


def options_of(command: str) -> dict[str, object]:
    """Parse a command line of ours, which fails where an option does not exist."""
    words = shlex.split(command)
    words = words[words.index("study") + 1 :] if "study" in words else words[1:]
    verb = get_command(app).commands[words[0]]
    return verb.make_context(words[0], words[1:], resilient_parsing=False).params


def test_the_cluster_of_ray_up_fits_rays_schema_and_scales_from_zero():
    config = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)
    head, worker = (config["available_node_types"][kind] for kind in ("head", "worker"))
    assert head["resources"]["CPU"] == 0
    assert worker["min_workers"] == 0
    starts = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert all("RAY_AUTH_MODE=token" in command for command in starts if "ray start" in command)
    assert "--dashboard-host=127.0.0.1" in " ".join(starts)


def test_the_manifests_of_kuberay_agree_with_each_other_and_with_our_command():
    cluster, job = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())
    assert (cluster["kind"], job["kind"]) == ("RayCluster", "RayJob")
    assert {document["apiVersion"] for document in (cluster, job)} == {"ray.io/v1"}
    assert job["spec"]["clusterSelector"]["ray.io/cluster"] == cluster["metadata"]["name"]
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]
    assert cluster["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP", "reachable from inside only"
    assert cluster["spec"]["rayVersion"] == ray.__version__
    assert str(options_of(job["spec"]["entrypoint"])["runs_dir"]) == "/shared/runs"


STUBS = {
    "scontrol": 'if [ "$1" = show ]; then printf "n1\\nn2\\nn3\\n"; else echo "scontrol $*" >> "$LOG"; fi',
    "srun": 'case "$*" in *hostname*) echo 10.0.0.1;; *) echo "srun $*" >> "$LOG";; esac',
    "modstudy": 'echo "modstudy $*" >> "$LOG"; if [ -n "$SLOW" ]; then trap "exit 130" TERM; sleep 60 & wait; fi',
}


@pytest.fixture
def slurm(tmp_path) -> dict[str, str]:
    """An environment in which the commands of Slurm only say what they were asked."""
    for name, body in STUBS.items():
        stub = tmp_path / name
        stub.write_text(f"#!/usr/bin/env bash\n{body}\n")
        stub.chmod(0o755)
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_CPUS_PER_TASK": "16", "SLURM_GPUS_ON_NODE": "4"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **job, "PATH": path, "LOG": str(tmp_path / "log"), "RAY_HEAD_START_S": "0", "SLOW": ""}


COMMAND = ["bash", str(DEPLOY / "slurm.sh"), "/shared/study.yaml", "/shared/runs"]


def test_the_slurm_script_starts_a_head_the_other_nodes_and_the_run(slurm):
    subprocess.run(COMMAND, env=slurm, check=True, timeout=60)  # noqa: S603 - our own script
    said = Path(slurm["LOG"]).read_text().splitlines()
    head = next(line for line in said if "--head" in line)
    assert "--node-ip-address 10.0.0.1 --port 20007 " in head
    assert "--num-cpus 16 --num-gpus 4" in head
    others = next(line for line in said if "--exclude n1" in line)
    assert "--nodes 2 " in others
    assert "ray start --address 10.0.0.1:20007 " in others
    run = options_of(next(line for line in said if line.startswith("modstudy ")))
    assert (str(run["study"]), run["address"]) == ("/shared/study.yaml", "10.0.0.1:20007")


def test_a_preempted_slurm_job_ends_in_order_and_is_queued_again(slurm):
    script = subprocess.Popen(COMMAND, env={**slurm, "SLOW": "yes"})  # noqa: S603 - our own script
    log = Path(slurm["LOG"])
    while not (log.exists() and "modstudy" in log.read_text()):
        assert script.poll() is None
    script.terminate()
    assert script.wait(timeout=60) == 130
    assert "scontrol requeue 7" in log.read_text()
