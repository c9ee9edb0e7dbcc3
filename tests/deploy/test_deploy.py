"""The files of deploy/: each against its schema, or run dry, as far as that goes without a cloud."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from packaging.utils import parse_wheel_filename
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


def test_nodes_of_ray_up_install_the_wheel_of_this_version_under_its_own_name():
    config = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
    ((remote, local),) = [mount for mount in config["file_mounts"].items() if mount[0].endswith(".whl")]
    for path in (remote, local):
        name, version, *_ = parse_wheel_filename(Path(path).name)
        assert (name, str(version)) == (project["name"], project["version"])
    (install,) = [command for command in config["setup_commands"] if command.startswith("pip install")]
    assert remote in shlex.split(install)


def test_a_node_of_ray_up_that_cannot_mount_the_runs_is_not_set_up():
    config = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    (mount,) = [command for command in config["setup_commands"] if "mount -t" in command]
    assert status_of(mount, mountpoint="return 1", sudo="[ $1 != mount ]") != 0
    assert status_of(mount, mountpoint="return 1", sudo="true") == 0
    assert status_of(mount, mountpoint="true", sudo="false") == 0, "mounted already, as after a second `ray up`"


def status_of(command: str, **stubs: str) -> int:
    """Run a command in which others are replaced by functions."""
    script = "".join(f"{name}() {{ {body}; }}\n" for name, body in stubs.items()) + command
    return subprocess.run(["bash", "-c", script], check=False).returncode  # noqa: S603, S607 - a command of deploy/


@pytest.fixture
def kuberay() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())


KUBERAY_SCHEMA = yaml.safe_load(Path(__file__).with_name("kuberay-schema.yaml").read_text())


def test_the_job_of_kuberay_fits_the_part_of_its_schema_that_it_uses(kuberay):
    jsonschema.validate(kuberay, KUBERAY_SCHEMA)
    kuberay["spec"]["authOptions"] = kuberay["spec"]["rayClusterSpec"].pop("authOptions")  # where a RayJob has none
    with pytest.raises(jsonschema.ValidationError, match="authOptions"):
        jsonschema.validate(kuberay, KUBERAY_SCHEMA)


def test_the_operator_of_kuberay_makes_the_token_and_gives_it_to_all(kuberay):
    cluster = kuberay["spec"]["rayClusterSpec"]
    assert cluster["authOptions"]["mode"] == "token"
    assert cluster["rayVersion"] == ray.__version__, "the operator asks for it, and for 2.52 or newer"
    for group in groups_of(cluster):  # the operator adds a variable only to containers that do not set it
        assert not [item for item in container_of(group)["env"] if item["name"].startswith("RAY_AUTH")]


def test_the_job_of_kuberay_can_be_tried_again_on_a_cluster_of_its_own(kuberay):
    """The operator refuses retries of a job on a cluster that is there already; older ones remove that cluster."""
    assert kuberay["spec"]["backoffLimit"] > 0
    assert "clusterSelector" not in kuberay["spec"]
    assert kuberay["spec"]["shutdownAfterJobFinishes"], "else the cluster outlasts the study"


def test_the_pods_of_kuberay_agree_with_each_other_and_with_our_command(kuberay):
    cluster = kuberay["spec"]["rayClusterSpec"]
    runs = options_of(kuberay["spec"]["entrypoint"])["runs_dir"]
    for group in groups_of(cluster):
        volumes = {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in container_of(group)["volumeMounts"]}
        assert set(mounts.values()) <= volumes
        assert str(Path(str(runs)).parent) in mounts
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP", "reachable from inside only"


def groups_of(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def container_of(group: dict[str, Any]) -> dict[str, Any]:
    (container,) = group["template"]["spec"]["containers"]
    return container


STUBS = {
    "scontrol": 'if [ "$1" = show ]; then printf "n1\\nn2\\nn3\\n"; else echo "scontrol $*" >> "$LOG"; fi',
    "srun": 'case "$*" in *hostname*) echo 10.0.0.1;; *) echo "srun $*" >> "$LOG";; esac',
    "ray": 'echo "ray $*" >> "$LOG"; [ "$(grep -c "^ray" "$LOG")" -gt "$HEAD_MISSED" ]',
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
    return {**os.environ, **job, "PATH": path, "LOG": str(tmp_path / "log"), "HEAD_MISSED": "0", "SLOW": ""}


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


def test_the_nodes_of_slurm_start_when_their_head_answers(slurm):
    subprocess.run(COMMAND, env={**slurm, "HEAD_MISSED": "2"}, check=True, timeout=60)  # noqa: S603 - our own script
    said = Path(slurm["LOG"]).read_text().splitlines()
    looks = [index for index, line in enumerate(said) if line == "ray health-check --address 10.0.0.1:20007"]
    assert len(looks) == 3
    assert "--exclude n1" in next(line for line in said[looks[-1] :] if line.startswith("srun"))
    assert not any("--exclude n1" in line for line in said[: looks[-1]])


def test_a_head_of_slurm_that_never_answers_ends_the_job_with_a_message(slurm):
    never = {**slurm, "HEAD_MISSED": "99", "RAY_HEAD_START_S": "1"}
    done = subprocess.run(COMMAND, env=never, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    assert done.returncode == 1
    assert "no Ray head answers at 10.0.0.1:20007" in done.stderr
    assert "modstudy" not in Path(slurm["LOG"]).read_text()


def test_a_preempted_slurm_job_ends_in_order_and_is_queued_again(slurm):
    script = subprocess.Popen(COMMAND, env={**slurm, "SLOW": "yes"})  # noqa: S603 - our own script
    log = Path(slurm["LOG"])
    while not (log.exists() and "modstudy" in log.read_text()):
        assert script.poll() is None
    script.terminate()
    assert script.wait(timeout=60) == 130
    assert "scontrol requeue 7" in log.read_text()
