"""A cluster of two nodes, on one machine, of which one is lost while a study runs on it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from results.tables.store import read_table

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings(
        "ignore:.*subprocess .* is still running:ResourceWarning"
    ),  # nodes, ended by the fixture
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),  # Ray's logs
]


@pytest.fixture
def cluster(site) -> Iterator[Cluster]:
    """A head and another node, each for one trial at a time."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MODSTUDY_CACHE", str(site.path / "cache"))
    patch.setenv("OMP_NUM_THREADS", "1")
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()
    patch.undo()
    del cluster
    gc.collect()  # here, where the warnings of Ray's own processes are ignored


def is_trainer(process: psutil.Process) -> bool:
    return "Trainable" in process.name()


def test_a_study_whose_node_is_lost_goes_on_elsewhere_to_the_same_tables(
    site, undisturbed, cluster, stop_while_training, assert_same
):
    driver = site.start("lost-node", "--address", cluster.address)
    (lost,) = cluster.worker_nodes
    raylet = psutil.Process(lost.all_processes["raylet"][0].process.pid)
    worker = stop_while_training(site.folder("lost-node"), lambda: filter(is_trainer, raylet.children()))
    cluster.remove_node(lost, allow_graceful=False)
    worker.kill()  # Ray ends the raylet alone, and a stopped worker would not notice
    output, _ = driver.communicate(timeout=600)
    assert driver.returncode == 0, output
    assert_same(site.tables("lost-node"), undisturbed)
    failures = read_table(site.folder("lost-node").tables, "failures")
    assert list(failures["kind"]) == ["lost"]
