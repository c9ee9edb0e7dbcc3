"""A worker that Ray itself ends, because the machine has too little memory left by Ray's measure."""

from __future__ import annotations

import psutil
import pytest
import ray
from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory

from study.journal.index import read_states
from study.layout import RunFolder
from study.tune.runner import RunOptions, run_study

_GIB = 2**30
_LEFT = 6 * _GIB  # room for what other tests start meanwhile

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.long,
    pytest.mark.filterwarnings(
        "ignore:.*subprocess .* is still running:ResourceWarning",  # Ray's own processes, ended by its shutdown
        "ignore:unclosed file:ResourceWarning",  # Ray's logs
    ),
]


@pytest.mark.skipif(psutil.virtual_memory().available < 14 * _GIB, reason="needs 14 GiB of memory")
def test_a_worker_that_ray_ends_for_its_memory_is_told_as_such_and_its_trial_tried_again(
    runners_on_path, make_plan, tmp_path, monkeypatch
):
    ray.shutdown()  # the one that tests share measures memory otherwise
    machine = psutil.virtual_memory()  # Ray's own count is that of this process's cgroup alone, where it has one
    used = max(get_used_memory(), machine.total - machine.available)
    monkeypatch.setenv("RAY_memory_usage_threshold", str((used + _LEFT) / get_system_memory()))
    plan = make_plan(search={"trials_per_arm": 1}, confirm={"seeds": [1]})
    folder = RunFolder(tmp_path / "outgrown")
    summary = run_study(plan, folder, RunOptions(runner="orchestration_runners:outgrow_the_machine_once"))
    assert summary.complete
    assert summary.completed == 6
    failures = [failure for state in read_states(folder).values() for failure in state.history.failures]
    assert {(failure["kind"], failure["message"]) for failure in failures} == {
        ("out_of_memory", "Ray ended the worker because its machine ran out of memory")
    }
