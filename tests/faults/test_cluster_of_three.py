"""A cluster of three nodes that asks for a token: it loses nodes and its head while a study runs on it."""

from __future__ import annotations

import os
import secrets
import time

import psutil
import pytest

from benchmarks.loopback_cluster import LoopbackCluster
from results.tables.store import read_table

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long, pytest.mark.timeout(1500)]


def test_nodes_come_and_go_and_the_head_is_lost_to_the_same_tables(  # noqa: PLR0917 - fixtures
    site, undisturbed, cluster_environment, wait_for, stop_while_training, assert_same
):
    cluster = LoopbackCluster({})

    def trainers() -> list[psutil.Process]:
        return [one for node in cluster.living() for one in node.trainers()]

    try:
        driver = site.start("three", "--address", cluster.address)
        waiting = site.line_with(driver, "waiting for nodes")
        for _ in range(2):  # as in a cluster that scales from zero
            cluster.add_node()
        wait_for(lambda: site.epochs("three") >= 1)
        worker = stop_while_training(site.folder("three"), trainers)
        next(node for node in cluster.living() if worker in node.trainers()).kill()
        stop_while_training(site.folder("three"), trainers)  # so that the study cannot end before the head does
        added = cluster.add_node()
        wait_for(lambda: bool(added.trainers()))
        begun = time.monotonic()
        cluster.head.kill()
        output, _ = driver.communicate(timeout=120)
        assert time.monotonic() - begun < 60
    finally:
        cluster.end()
    assert driver.returncode == 2, output
    assert "waiting for nodes, up to 600 s: a trial needs cpus 1" in waiting
    lines = output.splitlines()
    gone = ("error: the head of the cluster at ", "error: this machine's node of the cluster")
    assert lines[-1].startswith(gone), output
    assert lines[-1].endswith("nothing is lost, and the same command resumes")
    assert "Traceback" not in output
    again = LoopbackCluster({}, head_cpus=1)
    try:
        again.add_node()
        site.run("three", "--address", again.address)
    finally:
        again.end()
    assert_same(site.tables("three"), undisturbed)
    kinds = set(read_table(site.folder("three").tables, "failures")["kind"])
    assert "lost" in kinds
    assert kinds <= {"lost", "killed"}


def test_a_cluster_that_cannot_be_used_is_refused_in_one_line(site, cluster_environment, tmp_path):
    other = tmp_path / "other" / "torch-0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.1\n")
    cluster = LoopbackCluster({})
    try:
        path = os.pathsep.join([str(other.parent), os.environ["PYTHONPATH"]])
        cluster.add_node(PYTHONPATH=path)
        answers = {
            cluster.address: "has torch 0.1 (the driver has ",
            "ray://127.0.0.1:10001": "modstudy submit STUDY --address http://HEAD:8265",
        }
        for address, told in answers.items():
            assert told in refused(site, address)
        cluster_environment.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        refused(site, cluster.address)
    finally:
        cluster.end()
    assert not site.folder("refused").trials.exists()


def refused(site, address: str) -> str:
    driver = site.start("refused", "--address", address)
    output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 2, output
    assert "Traceback" not in output
    line = output.splitlines()[-1]
    assert line.startswith("error: ")
    return line
