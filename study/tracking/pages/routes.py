"""Routes of MLflow's interface. They are relative, so they hold for whatever address the user opened MLflow at."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

FOLDER = "modstudy.run_folder"
"""The tag that every run of a folder carries: the folder's identity."""

TRAINING = {"workflowType": "machine_learning"}
"""MLflow 3.17 opens every experiment on its pages for language models, whatever its kind, unless a link says this."""

VIEWS = {
    "arms": "the arms compared",
    "trials": "the confirm trials, grouped by arm",
    "tuning": "the tuning trials",
    "tree": "all runs as a tree",
}
"""What each shared view shows, by its name."""


@dataclass(frozen=True)
class Pages:
    """The pages of one run folder: each method returns a route, to be put after the server's address and a slash."""

    experiment: str
    study_run: str
    folder_key: str

    def study(self) -> str:
        """Return the page of the study's run: its note with table, figure and links, and the runs of its arms."""
        return f"#/experiments/{self.experiment}/runs/{self.study_run}?{urlencode(TRAINING)}"

    def view(self, name: str) -> str:
        """Return the page that opens the view with this name of ``VIEWS``: its charts, or the tree as a table."""
        charts = {} if name == "tree" else {"compareRunsMode": "CHART"}
        query = {"viewStateShareKey": view_id(name, self.folder_key), **charts, **TRAINING}
        return f"#/experiments/{self.experiment}/runs?{urlencode(query)}"

    def artifact(self, path: str) -> str:
        """Return the address of an artifact of the study's run."""
        return f"get-artifact?{urlencode({'path': path, 'run_uuid': self.study_run})}"


def view_id(name: str, folder_key: str) -> str:
    """Return the id of a shared view."""
    return f"modstudy-{folder_key[:12]}" if name == "arms" else f"modstudy-{folder_key[:12]}-{name}"


def runs_of(folder_key: str) -> str:
    """Return the condition that selects the runs of a folder."""
    return f"tags.`{FOLDER}` = '{folder_key}'"
