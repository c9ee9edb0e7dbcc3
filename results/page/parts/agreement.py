"""Cosines between the gradients of tasks, by stage and arm."""

from __future__ import annotations

import numpy as np

from results.analysis.agreement import StudyAgreement
from results.analysis.agreement_tables import mean_of
from results.page.model import AgreementShown


def agreement_shown(found: StudyAgreement | None) -> AgreementShown | None:
    """Return mean cosines over the common seeds at the last measured epoch; None where nothing was measured."""
    if found is None:
        return None
    upper = np.triu_indices(len(found.tasks), 1)
    arms = {}
    for arm_id in (found.shared_id, *found.arms):
        means = mean_of(found.measured[arm_id, "last"].cosine, (0,))
        arms[arm_id] = tuple(
            tuple(round(float(value), 3) if np.isfinite(value) else None for value in stage[upper]) for stage in means
        )
    seeds, epochs = (", ".join(map(str, values)) for values in (found.seeds, found.epochs["last"]))
    return AgreementShown(found.stages, found.tasks, arms, seeds, epochs)
