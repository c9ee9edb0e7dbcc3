"""The images of a study as MLflow shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from study.tracking.keys import bounded
from trainables.sources.registry import SOURCES, parse_source

_NAME, _DIGEST, _KIND, _SOURCE = 500, 36, 36, 60_000
"""Characters of each field at most, by MLflow's checks and the widths of its columns."""


def dataset_input(data: Mapping[str, Any], fingerprint: str) -> DatasetInput:
    """Return the data as MLflow sees it: where it comes from, and the fingerprint of its content as digest.

    Args:
        data: the section ``data`` of a study.
        fingerprint: of the decoded content.
    """
    source = data["source"]
    known = SOURCES.known(source["kind"])  # a kind may be registered in other processes of a run alone
    title = parse_source(source).title if known else source["kind"]
    profile = json.dumps({"tasks": data["tasks"], "image_size": data["image_size"], "fit": data["fit"]})
    dataset = Dataset(
        name=bounded(title, _NAME),
        digest=fingerprint[:_DIGEST],
        source_type=bounded(source["kind"], _KIND),
        source=bounded(json.dumps(source), _SOURCE),
        profile=profile,
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
