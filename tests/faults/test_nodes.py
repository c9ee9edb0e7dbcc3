"""Nodes that come while a study runs or waits for them: those of an autoscaler, and one with other software."""

from __future__ import annotations

import json
import os
import time

import pytest

from benchmarks.chaos import SMALL
from benchmarks.loopback_cluster import LoopbackCluster
from results.tables.store import read_table

TWO_ARMS = f"""{SMALL[: SMALL.index("search:")]}search: {{trials_per_arm: 1}}
confirm: {{seeds: [1]}}
"""

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.usefixtures("cluster_environment")
def test_an_autoscaler_is_asked_for_nodes_from_none_to_as_many_as_there_is_work_for(
    site, undisturbed, assert_same
) -> None:
    cluster = LoopbackCluster({}, most_nodes=3)
    try:
        driver = site.start("scaled", "--address", cluster.address)
        output, _ = driver.communicate(timeout=600)
    finally:
        cluster.end()
    assert driver.returncode == 0, output
    assert "waiting for nodes, up to 600 s" in output
    assert_same(site.tables("scaled"), undisturbed)


@pytest.mark.usefixtures("cluster_environment")
def test_of_two_types_of_nodes_the_autoscaler_is_asked_for_the_one_that_trials_fit_into(new_site) -> None:
    site = new_site(f"name: faults\n{TWO_ARMS}resources: {{gpus: 0, cpus: 2}}\n")
    cluster = LoopbackCluster({}, most_nodes=1, types=(1, 2))
    try:
        driver = site.start("typed", "--address", cluster.address)
        output, _ = driver.communicate(timeout=600)
    finally:
        cluster.end()
    assert driver.returncode == 0, output
    assert "waiting for nodes, up to 600 s: a trial needs cpus 2" in output
    assert set(site.states("typed")) == {"completed"}


@pytest.mark.usefixtures("cluster_environment")
def test_nodes_with_other_software_that_are_allowed_are_named_and_every_attempt_records_its_own(
    new_site, tmp_path
) -> None:
    site = new_site(f"name: faults\n{TWO_ARMS}resources: {{gpus: 0, allow_other_versions: true}}\n")
    other = tmp_path / "other" / "torch-0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.1\n")
    cluster = LoopbackCluster({})
    try:
        cluster.add_node(PYTHONPATH=os.pathsep.join([str(other.parent), os.environ["PYTHONPATH"]]))
        driver = site.start("allowed", "--address", cluster.address)
        output, _ = driver.communicate(timeout=600)
    finally:
        cluster.end()
    assert driver.returncode == 0, output
    assert "has torch 0.1 (the driver has " in output
    assert "each attempt records its versions" in output
    trials = read_table(site.folder("allowed").tables, "trials")
    assert set(trials["state"]) == {"completed"}
    assert {json.loads(software)["torch"] for software in trials["software"]} == {"0.1"}


@pytest.mark.usefixtures("cluster_environment")
def test_a_node_with_other_software_that_joins_later_ends_the_run_in_one_line(new_site, wait_for, tmp_path) -> None:
    site = new_site(f"name: faults\n{SMALL.replace('epochs: 4', 'epochs: 400')}")
    other = tmp_path / "other" / "torch-0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.1\n")
    cluster = LoopbackCluster({})
    try:
        cluster.add_node()
        driver = site.start("late", "--address", cluster.address)
        wait_for(lambda: site.folder("late").trials.is_dir() and site.epochs("late") >= 1)
        cluster.add_node(PYTHONPATH=os.pathsep.join([str(other.parent), os.environ["PYTHONPATH"]]))
        output, _ = driver.communicate(timeout=300)
    finally:
        cluster.end()
    assert driver.returncode == 2, output
    assert "Traceback" not in output
    line = output.splitlines()[-1]
    assert line.startswith("error: ")
    assert "has torch 0.1 (the driver has " in line


@pytest.mark.usefixtures("cluster_environment")
def test_without_a_node_the_gpus_there_are_are_not_known_and_the_end_of_the_gcs_alone_ends_the_run_in_one_line(
    site, new_site
) -> None:
    auto = new_site(f"name: faults\n{SMALL}")
    cluster = LoopbackCluster({})
    try:
        refused = auto.start("auto", "--address", cluster.address)
        said, _ = refused.communicate(timeout=300)
        driver = site.start("unmet", "--address", cluster.address)
        site.line_with(driver, "waiting for nodes")
        gcs = cluster.head.server("gcs_server")
        assert gcs is not None
        begun = time.monotonic()
        gcs.kill()
        output, _ = driver.communicate(timeout=120)
        assert time.monotonic() - begun < 60
    finally:
        cluster.end()
    assert refused.returncode == 2, said
    assert "resources.gpus: auto takes the GPUs that are there" in said.splitlines()[-1]
    assert not auto.folder("auto").plan.exists()
    assert driver.returncode == 2, output
    assert "Traceback" not in output
    assert output.splitlines()[-1].endswith("nothing is lost, and the same command resumes")
