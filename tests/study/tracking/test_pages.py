"""What a reader meets on MLflow's pages: labels, views, the note, and runs that an older version made."""

import json
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient
from PIL import Image

from results.tables.writing import write_tables
from search_spaces import CATALOG
from study.layout import RunFolder, sqlite_uri
from study.tracking.content import TAG_LENGTH
from study.tracking.pages.labels import LABEL_LENGTH, label_arms
from study.tracking.pages.note import study_note
from study.tracking.pages.routes import Pages
from trainables.networks.modulation import FORMS

PAGES = Pages("1", "r" * 32, "f" * 32)


def test_labels_say_what_an_arm_is():
    names = ["late", "separate", "embedding+disjoint(0)-frozen", "embedding+normal(0.9,0.7)", "late+low_rank(8)"]
    assert list(label_arms(names, {}).values()) == ["late", "separate", "embe+dis0", "embe+norm", "late+low8"]


def test_every_arm_of_the_largest_space_has_a_label_of_its_own():
    names = [arm.name for arm in CATALOG["rivals"].arms(("stem", "res4", "fc"), ("Smiling", "Hat"), FORMS)]
    labels = label_arms(names, {})
    assert len(set(labels.values())) == len(names) > 20
    assert max(map(len, labels.values())) <= LABEL_LENGTH


@given(
    st.lists(st.text(max_size=14) | st.sampled_from(["embedding+a", "embedding+b", "late+low_rank(8)"]), unique=True)
)
def test_labels_are_short_unique_and_stay(names):
    half = label_arms(names[::2], {})
    labels = label_arms(names, half)
    assert labels.items() >= half.items()
    assert len(set(labels.values())) == len(names)
    assert all(0 < len(label) <= LABEL_LENGTH for label in labels.values())


def test_routes_are_relative_and_open_the_pages_for_training():
    for route in (PAGES.study(), PAGES.view("tree"), PAGES.view("arms")):
        assert route.startswith("#/experiments/1/runs")
        assert parse_qs(urlsplit(route[1:]).query)["workflowType"] == ["machine_learning"]


def test_the_note_leads_to_the_views_and_shows_names_as_text(play):
    note = study_note("*two* <b>tasks</b>", PAGES, play.summary(["late", "<i>|x"]), "note/tradeoff.png")
    first, description, table = note.split("\n\n")[:3]
    for name in ("arms", "trials", "tuning", "tree"):
        assert f"]({PAGES.view(name)})" in first
    assert description == "\\*two\\* &lt;b&gt;tasks&lt;/b&gt;"
    assert "0.750 [0.750, 0.750]" in table
    assert "&lt;i&gt;\\|x" in table
    assert f"](get-artifact?path=note%2Ftradeoff.png&run_uuid={'r' * 32})" in note


def test_a_note_of_many_arms_fits_the_tag_and_says_what_it_leaves_out(play):
    note = study_note("", PAGES, play.summary([f"late+low_rank({number})" for number in range(200)]), None)
    assert len(note) <= TAG_LENGTH
    shown = note.count("| late+low")
    assert shown > 10
    assert f"{200 - shown} more arms" in note


def test_an_arm_shows_its_results_and_after_a_change_the_new_ones(folder, play):
    play.start(folder, "t1")
    play.finish(folder, "t1")
    arm = f"arm:{play.arm['arm_id']}"
    for value in (0.75, 0.5):  # of equal steps and times MLflow would show the larger value
        write_tables(folder.tables, {"summary": play.summary(["late"], value)})
        play.tracker(folder).sync(folder)
        metrics = play.runs(folder.mlflow_store)[arm].data.metrics
        shown = [metrics[f"summary/triplet_accuracy_{name}"] for name in ("mean", "low", "high")]
        assert np.allclose(shown, value)
        assert metrics["summary/n_seeds"] == 2
    assert not {"summary/bytes_fp32", "summary/parameters"} & metrics.keys()  # they are in storage/
    assert len([key for key in metrics if key.startswith("summary/")]) < 40


def test_an_experiment_that_somebody_made_opens_on_runs_and_has_the_views(folder, play):
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    experiment = client.create_experiment("tiny")
    play.start(folder, "t1")
    play.tracker(folder).sync(folder)
    tags = client.get_experiment(experiment).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    views = {name.partition(".sharedViewState.")[2]: json.loads(text) for name, text in tags.items() if "View" in name}
    key = json.loads(folder.mlflow_identity.read_text())["key"][:12]
    assert views.keys() == {
        f"modstudy-{key}",
        f"modstudy-{key}-trials",
        f"modstudy-{key}-tuning",
        f"modstudy-{key}-tree",
    }
    for view in views.values():
        state = json.loads(view["state"])
        assert client.search_runs([experiment], state["searchFilter"], order_by=[state["orderByKey"]]) is not None
    sections = json.loads(views[f"modstudy-{key}-tuning"]["state"])["compareRunSections"]
    assert sections[0]["name"] == "what was tried; objective: validation/mean/triplet_accuracy/query"
    runs = client.search_runs([experiment], json.loads(views[f"modstudy-{key}"]["state"])["searchFilter"])
    assert [run.info.run_name for run in runs] == ["late"]


@pytest.mark.parametrize("ended", [True, False])
def test_runs_of_an_older_version_gain_a_label_and_keep_what_they_have(folder, play, ended):
    play.start(folder, "t1")
    play.tracker(folder).sync(folder)
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    before = play.runs(folder.mlflow_store)
    arm = before[f"arm:{play.arm['arm_id']}"].info
    older = client.create_run(
        arm.experiment_id,
        tags={
            name: text for name, text in before[f"arm:{play.arm['arm_id']}"].data.tags.items() if "logged" not in name
        },
    ).info.run_id  # as version 0.2.0 made it: the ledger of every stage as metrics, and no label
    client.delete_run(arm.run_id)
    client.set_tag(older, "modstudy.mirrored", "1")
    client.log_param(older, "arm", "late")
    client.log_metric(older, "storage/modulation/res4/parameters", 8)
    if ended:
        client.set_terminated(older)
    assert play.tracker(folder).sync(folder).runs_created == 0
    run = client.get_run(older)
    assert run.data.params["label"] == "late"
    assert run.data.metrics.keys() >= {"storage/modulation/res4/parameters", "storage/log10_added_parameters"}
    assert run.info.status == ("FINISHED" if ended else "RUNNING")


def test_the_figure_in_the_note_is_as_wide_as_the_note(folder, play):
    play.start(folder, "t1")
    write_tables(folder.tables, {"summary": play.summary(["late"])})
    folder.report.mkdir()
    Image.new("RGB", (2000, 1000)).save(folder.report / "tradeoff.png")
    play.tracker(folder).sync(folder)
    study = play.runs(folder.mlflow_store)["study"]
    route = study.data.tags["mlflow.note.content"].rpartition("(get-artifact?")[2].partition(")")[0]
    (path,) = parse_qs(route)["path"]
    shown = MlflowClient(sqlite_uri(folder.mlflow_store)).download_artifacts(study.info.run_id, path)
    with Image.open(shown) as picture:
        assert picture.size == (640, 320)


def test_labels_given_once_are_those_of_later_syncs(folder, play):
    play.start(folder, "t1")
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    play.tracker(folder).sync(folder)
    plan = json.loads(folder.plan.read_text())
    plan["arms"] = [{**plan["arms"][0], "name": "late+a-new-arm", "arm_id": "b" * 12}, *plan["arms"]]
    folder.plan.write_text(json.dumps(plan))
    play.tracker(RunFolder(folder.path)).sync(folder)
    experiment = client.get_experiment_by_name("tiny").experiment_id
    labels = {run.data.params["label"] for run in client.search_runs([experiment], "tags.`modstudy.kind` = 'arm'")}
    assert labels == {"late", "late+a-ne"}
