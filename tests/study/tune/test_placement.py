"""Where trials run: GPUs are declared to Ray, so that no machine needs to have any."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.journal.index import read_states
from study.layout import RunFolder
from study.schedule.units import Share
from study.tune import cluster as ours
from study.tune.runner import RunOptions, run_study

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings(
        "ignore:.*subprocess .* is still running:ResourceWarning",  # Ray's own processes, ended by its shutdown
        "ignore:unclosed file:ResourceWarning",  # Ray's logs
    ),
]

RUNNERS = str(Path(__file__).parents[1] / "runners")
ON_GPUS = {"compute": {"device": "cuda"}, "resources": {"cpus": 0.125}}


@dataclass(frozen=True)
class Stay:
    """A trial's time on a GPU."""

    arm: str
    gpu: tuple[str, str]
    share: float
    pid: int
    began: float
    ended: float


@pytest.fixture
def stays(runners_on_path, make_plan, tmp_path):
    """Run a study and return what its trials saw, by the name of their arm."""

    def run(runner, packing=None, **changes) -> list[Stay]:
        plan, folder = make_plan(**{**ON_GPUS, **changes}), RunFolder(tmp_path / "run")
        by_name = {arm.arm.name: arm.arm.arm_id for arm in plan.arms}
        shares = {by_name[name]: Share.packed(at_once) for name, at_once in (packing or {}).items()}
        summary = run_study(
            plan, folder, RunOptions(runner=f"orchestration_runners:{runner}", packing=lambda _: shares)
        )
        assert summary.complete
        return list(_read(folder))

    return run


def _read(folder: RunFolder) -> Iterator[Stay]:
    for path in folder.trials.glob("*/gpu.jsonl"):
        planned = json.loads((path.parent / "journal.jsonl").read_text().splitlines()[0])
        for line in path.read_text().splitlines():
            note = json.loads(line)
            assert note["gpu"] in tuple("0123"), "a trial sees exactly one GPU"
            yield Stay(
                planned["arm"]["name"],
                (note["node"], note["gpu"]),
                note["share"],
                note["pid"],
                note["began"],
                note["ended"],
            )


def most_at_once(stays: list[Stay]) -> dict[tuple[str, str], int]:
    """Return how many trials were on each GPU at once, and assert that their shares never exceeded it."""
    most = defaultdict[tuple[str, str], int](int)
    for stay in stays:
        beside = [other for other in stays if other.gpu == stay.gpu and other.began <= stay.began < other.ended]
        assert sum(other.share for other in beside) <= 1 + 1e-9
        most[stay.gpu] = max(most[stay.gpu], len(beside))
    return dict(most)


def assert_workers_keep_their_reservation(stays: list[Stay]) -> None:
    seen = defaultdict[int, set[tuple[tuple[str, str], float]]](set)
    for stay in stays:
        seen[stay.pid].add((stay.gpu, stay.share))
    assert {len(reservations) for reservations in seen.values()} == {1}


def shares_by_arm(stays: list[Stay]) -> dict[str, set[float]]:
    found = defaultdict[str, set[float]](set)
    for stay in stays:
        found[stay.arm].add(stay.share)
    return dict(found)


@pytest.fixture(scope="module")
def two_gpus() -> Iterator[None]:
    """One node with two GPUs."""
    ray.shutdown()  # the one that tests without a GPU share
    ours.set_environment(local=True)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", RUNNERS)
    ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    patch.undo()


def test_two_gpus_train_a_trial_each_in_workers_that_are_kept(two_gpus, stays):
    found = stays("meet_on_two_gpus", search={"trials_per_arm": 2, "round_size": 2}, confirm={"seeds": [1]})
    assert len(found) == 3 * 3
    assert list(most_at_once(found).values()) == [1, 1]
    assert len({stay.pid for stay in found}) == 2


@pytest.mark.long
def test_trials_share_two_gpus_by_the_share_of_their_arm_and_alone_means_alone(two_gpus, stays):
    search = {"trials_per_arm": 2, "round_size": 2}
    found = stays("fill_two_gpus", {"late": 2, "shared": 2}, search=search, confirm={"seeds": [1]})
    assert len(found) == 3 * 3 + 3, "each trial of late is tried twice"
    assert shares_by_arm(found) == {"shared": {0.5}, "late": {0.5, 1.0}, "separate": {1.0}}
    assert len(most_at_once(found)) == 2, "all GPUs are used"
    assert_workers_keep_their_reservation(found)


@pytest.fixture
def two_nodes(request) -> Iterator[str]:
    """The address of a cluster of two nodes with so many CPUs and GPUs each."""
    ray.shutdown()  # ``connected`` keeps a connection that is there, and `two_gpus` lasts as long as this file
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path.cwd()), RUNNERS, os.environ.get("PYTHONPATH")])))
    patch.setenv("OMP_NUM_THREADS", "1")
    cpus, gpus = request.param
    options = {"num_cpus": cpus, "num_gpus": gpus, "object_store_memory": 80_000_000}
    nodes = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
    nodes.add_node(**options)
    yield nodes.address
    nodes.shutdown()
    patch.undo()


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("two_nodes", [(4, 4)], indirect=True)
def test_trials_fill_the_gpus_of_two_nodes(two_nodes, stays):
    search = {"trials_per_arm": 5, "round_size": 5}
    with ours.connected(two_nodes, threads=1):
        found = stays("fill_eight_gpus", {"late": 2, "shared": 4}, search=search, confirm={"seeds": [1, 2]})
    assert len(found) == 3 * 7 + 7, "each trial of late is tried twice"
    assert shares_by_arm(found) == {"shared": {0.25}, "late": {0.5, 1.0}, "separate": {1.0}}
    most = most_at_once(found)
    assert len(most) == 8, "all GPUs are used"
    assert len({node for node, _ in most}) == 2
    assert_workers_keep_their_reservation(found)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("two_nodes", [(2, 0)], indirect=True)
def test_a_trial_that_must_be_alone_has_a_node_to_itself_while_others_run_on_another(
    two_nodes, runners_on_path, make_plan, tmp_path
):
    plan = make_plan(search={"trials_per_arm": 1}, confirm={"seeds": [1]}, resources={"gpus": 0})
    folder = RunFolder(tmp_path / "run")
    runner = "sharing_runners:be_alone_beside_another_node"
    with ours.connected(two_nodes, threads=1):
        assert run_study(plan, folder, RunOptions(two_nodes, runner=runner)).complete
    found = {}
    for path in folder.trials.glob("*/place.json"):
        planned = json.loads((path.parent / "journal.jsonl").read_text().splitlines()[0])
        found[planned["arm"]["name"], planned["stage"]] = json.loads(path.read_text())
    alone, beside = found["late", "tune"], found["separate", "tune"]
    assert beside["saw"], "it went on elsewhere, and was not waited for"
    assert (alone["cpus"], beside["cpus"]) == (2, 1)
    assert alone["node"] != beside["node"]


@ray.remote(num_cpus=1)
class Somebody:
    """Holds a CPU of a node that is not the study's own."""

    def is_there(self) -> bool:
        return True


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("two_nodes", [(2, 0)], indirect=True)
def test_where_somebody_else_holds_a_part_of_every_node_a_trial_that_must_be_alone_is_not_held_up(
    two_nodes, runners_on_path, make_plan, tmp_path, monkeypatch
):
    monkeypatch.setattr("study.tune.nodes.own_node._PATIENCE_S", 2.0)
    plan = make_plan(search={"trials_per_arm": 1}, confirm={"seeds": [1]}, resources={"gpus": 0})
    folder = RunFolder(tmp_path / "run")
    with ours.connected(two_nodes, threads=1):
        there = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in ray.nodes()]
        others = [Somebody.options(scheduling_strategy=strategy).remote() for strategy in there]
        assert ray.get([other.is_there.remote() for other in others]) == [True, True]
        runner = "orchestration_runners:run_out_of_memory_twice"
        assert run_study(plan, folder, RunOptions(two_nodes, runner=runner)).complete
    histories = [state.history for state in read_states(folder).values()]
    assert {(history.state, history.attempts) for history in histories} == {("completed", 3)}
