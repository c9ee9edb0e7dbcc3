"""Makes the work orders of a run: what a worker is told of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.schedule.signs_of_life import tell_every_s
from study.schedule.units import WorkUnit
from study.tune.execution import WorkOrder


@dataclass(frozen=True)
class Orders:
    """What the orders of a run have in common.

    Attributes:
        plan: of the study.
        folder: of the run, resolved.
        runner: ``module:function`` that trains a trial.
        environment: variables of every worker.
    """

    plan: StudyPlan
    folder: RunFolder
    runner: str
    environment: Mapping[str, str]

    def of(self, unit: WorkUnit, gpus: float) -> WorkOrder:
        """Return the order for a unit that gets so many GPUs."""
        definition, seeds = self.plan.definition, self.plan.definition.confirm.seeds
        return WorkOrder(
            str(self.folder.path),
            unit.trial.planned_event(definition.name, seeds),
            unit.until_epoch,
            definition.selection.metric,
            definition.selection.average,
            self.runner,
            definition.resources.hang_after_s,
            dict(self.environment),
            gpus,
            unit.alone,
            [None if trial is None else trial.planned_event(definition.name, seeds) for trial in unit.slots],
            definition.retention.interval,
            definition.retention.keeps_weights_of(unit.trial.stage),
            store=self.folder.url,
            tell_every_s=tell_every_s(definition.resources.silence_s) if self.folder.url else None,
        )
