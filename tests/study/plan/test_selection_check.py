"""A selection that looks at labels is refused before training where a task has none."""

from __future__ import annotations

import numpy as np
import pytest

from study.definition.model import StudyDefinition
from study.errors import UserError
from study.plan.checks import refuse_unlabelled_selection
from study.plan.plan import StudyPlan
from trainables.data.dataset import Dataset, Split

DATA = {"source": {"kind": "generated"}, "tasks": ("Hat", "Smiling")}


def _plan(**selection: str) -> StudyPlan:
    definition = StudyDefinition.model_validate({"name": "x", "data": DATA, "selection": selection})
    return StudyPlan(definition, "fingerprint", (), 0)


def _dataset(labels: list[list[int]]) -> Dataset:
    images = np.zeros((len(labels), 48, 48, 3), dtype=np.uint8)
    split = Split(images, np.array(labels))
    classes = dict.fromkeys(DATA["tasks"], ("no", "yes"))
    return Dataset({"validation": split}, tuple(classes), classes, (), "fingerprint")


@pytest.mark.parametrize("selection", [{"metric": "recall_at_1"}, {"average": "class"}])
def test_labels_that_are_not_there_are_missed_in_time(selection: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"selection.metric: .* needs labels, but no .* task 'Smiling'"):
        refuse_unlabelled_selection(_plan(**selection), _dataset([[0, -1], [1, -1]]))
    refuse_unlabelled_selection(_plan(**selection), _dataset([[0, 1], [1, -1]]))
    refuse_unlabelled_selection(_plan(), _dataset([[0, -1], [1, -1]]))


def test_positives_need_binary_tasks() -> None:
    plan = _plan(metric="triplet_accuracy_positives")
    for column in ([0, 1, 0], [0, 1, 2], [1, 1, -1]):
        with pytest.raises(UserError, match=r"selection.metric: triplet_accuracy_positives needs .* task 'Smiling'"):
            refuse_unlabelled_selection(plan, _dataset([[0, column[0]], [1, column[1]], [1, column[2]]]))
    refuse_unlabelled_selection(plan, _dataset([[0, 1], [1, 0], [1, 1]]))
