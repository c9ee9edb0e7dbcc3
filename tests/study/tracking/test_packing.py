"""MLflow shows how the trials of an arm share a GPU, and takes it once."""

import json

from mlflow.tracking import MlflowClient

from study.layout import sqlite_uri
from study.packing.choice import Limits
from study.packing.measurement import Measurement
from study.packing.probe import Probe
from study.packing.record import ProbedArm, recover_packing
from study.tracking.tracker import Tracker


def test_a_probed_arm_is_tagged_and_the_measurements_are_an_artifact(folder, play):
    tracker = play.tracker(folder)
    tracker.sync(folder)
    assert not any(key.startswith("modstudy.packing") for key in play.runs(folder.mlflow_store)["study"].data.tags)
    found = Probe("NVIDIA H100", Limits(8, None), (Measurement(2, True, "measured", 10.0, 480.0),), 100, 0.5)
    for arm_id in (play.arm["arm_id"], "an arm of an earlier edition"):
        recover_packing(folder).add(ProbedArm(arm_id, "late", "H100", "shape", "late", "node", 1.0, found))
    tracker.sync(folder)
    runs = play.runs(folder.mlflow_store)
    tags = runs[f"arm:{play.arm['arm_id']}"].data.tags
    assert tags["modstudy.packing.H100"] == "2 trials at once through the Multi-Process Service, 480 images/s"
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    names = [artifact.path for artifact in client.list_artifacts(runs["study"].info.run_id)]
    assert sorted(names) == ["packing.json", "plan.json"]
    assert json.loads(folder.packing.read_text())["arms"][0]["arm"] == "late"
    uploads: list[str] = []
    again: Tracker = play.tracker(folder)
    again.store.upload = lambda *arguments: uploads.append(str(arguments[-1]))
    again.sync(folder)
    assert uploads == []  # nothing is news
