"""Tables that are written in portions: the same bytes as at once, and the checks of a whole table."""

from __future__ import annotations

import pytest

from results.tables import writing
from results.tables.files import digest_of
from results.tables.store import arrow_table, table_path
from results.tables.writing import write_tables, writing_tables


@pytest.mark.parametrize("size", [1, 7, 100])
def test_portions_do_not_change_a_byte(size, tmp_path, study, monkeypatch):
    monkeypatch.setattr(writing, "_ROWS_IN_MEMORY", 64)  # several row groups
    whole = arrow_table("task_metrics", study.task_metrics)
    write_tables(tmp_path / "at once", {"trials": study.trials, "task_metrics": whole})
    trials = whole["trial_id"].unique().to_pylist()
    with writing_tables(tmp_path / "in parts") as writer:
        writer.add("trials", study.trials)
        for start in range(0, len(trials), size):
            chosen = [trial in trials[start : start + size] for trial in whole["trial_id"].to_pylist()]
            writer.add("task_metrics", whole.filter(chosen))
    for name in ("trials", "task_metrics"):
        paths = [table_path(tmp_path / folder, name) for folder in ("at once", "in parts")]
        assert paths[0].read_bytes() == paths[1].read_bytes()
        with paths[1].open("rb") as file:
            assert writer.digests[name] == digest_of(file)


def test_rows_of_one_trial_come_at_once(tmp_path, study):
    half = len(study.task_metrics) // 2 + 1

    def write():
        with writing_tables(tmp_path) as writer:
            writer.add("task_metrics", arrow_table("task_metrics", study.task_metrics[:half]))
            writer.add("task_metrics", arrow_table("task_metrics", study.task_metrics[half:]))

    with pytest.raises(ValueError, match=r"table task_metrics: rows with trial_id=.* were added before"):
        write()
    assert list(tmp_path.iterdir()) == []
