"""What `make study` promises: the default study shows a clear result.

Left out are separate networks, which take two thirds of the time; the README shows what they reach.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from study import Study

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long, pytest.mark.timeout(1800)]


def test_late_modulation_is_clearly_ahead_of_sharing_and_every_task_is_above_chance(tmp_path: Path) -> None:
    definition = Study("default").definition
    blocks = tuple(block for block in definition.space.blocks if block.grouping[0].level != "network")
    assert len(blocks) == len(definition.space.blocks) - 1
    space = definition.space.model_copy(update={"blocks": blocks})
    study = Study(definition.model_copy(update={"space": space}), folder=tmp_path / "runs" / "default")
    assert study.run(tracking=False, progress=False).complete
    late = study.summary.set_index("arm").loc["late"]
    assert late["delta_shared_low"] > 0.1
    rows = study.task_metrics.query(
        "stage == 'confirm' and split == 'test' and metric == 'triplet_accuracy' and average == 'query'"
    )
    clear = set()
    for (_, task), values in rows.groupby(["arm", "task"])["value"]:
        error = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
        if values.mean() - error > 0.5:
            clear.add(task)
    assert clear == set(definition.data.tasks)
