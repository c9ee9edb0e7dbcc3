"""How the trials of a study on GPUs will run, arm by arm: step, trials at once, and the time that probes let expect."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from study.packing.decision import chosen, probes_on
from study.packing.measurement import Packing
from study.packing.record import PackingRecord, ProbedArm
from study.plan.cost import usable_cpus
from study.plan.device import gpus_of_this_machine
from study.plan.fusing import why_alone
from study.plan.plan import PlannedArm, StudyPlan

_NAMED = 6
"""Arms named in a line; the rest are counted."""


@dataclass(frozen=True)
class ArmOutlook:
    """How the trials of an arm will run.

    Attributes:
        arm: the arm.
        obstacle: why its steps are no CUDA graph; None if they are, if CUDA allows.
        apart: why its trials cannot train as one model; None if they can.
        shared: its probes, one per type of accelerator, and how its trials share that.
    """

    arm: PlannedArm
    obstacle: str | None
    apart: str | None
    shared: tuple[tuple[ProbedArm, Packing], ...]

    @property
    def packings(self) -> dict[str, Packing]:
        """How its trials share an accelerator, by type."""
        return {probed.accelerator: packing for probed, packing in self.shared}

    @property
    def fused(self) -> int:
        """Trials that train as one model."""
        return self.arm.config.compute.fused if self.apart is None else 1

    @property
    def processes(self) -> int:
        """Trials on one GPU: as on the type that holds fewest; 1 without a probe."""
        return min((packing.processes for packing in self.packings.values()), default=1)

    @property
    def epoch_seconds(self) -> float | None:
        """Expected seconds per epoch of one trial among those that share a GPU, by the slowest type probed."""
        every = self.arm.config.evaluation.validate_every
        seconds = [
            probed.probe.steps_per_epoch * packing.processes / packing.steps_per_second
            + probed.probe.validation_seconds / every
            for probed, packing in self.shared
        ]
        return max(seconds, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "graph": self.obstacle is None,
            "no_graph_because": self.obstacle,
            "fused": self.fused,
            "not_fused_because": self.apart,
            "packing": {name: asdict(packing) for name, packing in self.packings.items()},
        }


@dataclass(frozen=True)
class Outlook:
    """How a study's trials will run on GPUs.

    Attributes:
        plan: the study, on the device ``cuda``.
        arms: its arms, in order.
        gpus: of this machine.
    """

    plan: StudyPlan
    arms: tuple[ArmOutlook, ...]
    gpus: int

    @property
    def at_once(self) -> dict[str, int]:
        """Concurrent trials on this machine by arm id; on one GPU, if it has none itself."""
        return {arm.arm.arm.arm_id: self._at_once(arm) for arm in self.arms}

    @property
    def shares_unmeasured(self) -> bool:
        """Whether the study file says how many trials share a GPU, so that nothing tells how they slow each other."""
        return not probes_on(self.plan) and 0 < self.plan.gpus < 1

    @property
    def epoch_seconds(self) -> dict[str, float] | None:
        """Seconds per epoch of a trial by arm id; None unless every arm was probed."""
        found = {arm.arm.arm.arm_id: arm.epoch_seconds for arm in self.arms}
        known = {arm_id: seconds for arm_id, seconds in found.items() if seconds is not None}
        return known if len(known) == len(found) else None

    def row(self, index: int) -> dict[str, str]:
        """Return the columns of an arm: column titles as keys and plain text as values."""
        arm = self.arms[index]
        rates = [f"{packing.images_per_second:,.0f}" for packing in arm.packings.values()]
        return {
            "step": "graph" if arm.obstacle is None else "eager",
            "fused": f"{arm.fused}" if arm.apart is None else "no",
            "on a GPU": ", ".join(self._held(arm)),
            **({"images/s": ", ".join(rates) or "-"} if any(each.packings for each in self.arms) else {}),
        }

    def lines(self) -> Iterator[str]:
        """Yield what the columns mean, and why trials of some arms run otherwise than the rest."""
        precision = self.plan.definition.compute.precision
        yield f"device: cuda, precision {precision}; fused: trials in one model; on a GPU: trials that share one"
        unknown = [arm.arm.arm.name for arm in self.arms if not arm.packings and arm.fused == 1]
        if unknown and probes_on(self.plan):
            yield f"to be probed, in the next run before their first trials: {_listed(unknown)}"
        for obstacle, names in self._reasons(lambda arm: arm.obstacle):
            yield f"step not captured as a CUDA graph: {obstacle} ({names})"
        for obstacle, names in self._reasons(lambda arm: arm.apart):
            yield f"trials not fused: {obstacle} ({names})"

    def _reasons(self, reason: Callable[[ArmOutlook], str | None]) -> Iterator[tuple[str, str]]:
        """Yield every reason with the arms it holds for."""
        found: dict[str, list[str]] = {}
        for arm in self.arms:
            if (why := reason(arm)) is not None:
                found.setdefault(why, []).append(arm.arm.arm.name)
        yield from ((why, _listed(names)) for why, names in found.items())

    def _held(self, arm: ArmOutlook) -> Iterator[str]:
        if not probes_on(self.plan):
            yield f"{_per_gpu(self.plan.gpus):g}"
        elif arm.fused > 1:  # probes measure single trials, so a unit has a GPU to itself
            yield f"{arm.fused} (one model)"
        elif not arm.packings:
            yield "to be probed"
        for name, packing in arm.packings.items() if probes_on(self.plan) else ():
            yield f"{packing.processes} ({name}{', MPS' if packing.mps else ''})"

    def _at_once(self, arm: ArmOutlook) -> int:
        resources, gpus = self.plan.definition.resources, max(1, self.gpus)
        on_gpus = gpus * arm.processes if probes_on(self.plan) else math.floor(gpus * _per_gpu(self.plan.gpus) + 1e-9)
        by_cpus = math.floor(usable_cpus() / resources.cpus) if self.gpus else on_gpus
        return max(1, min(on_gpus, by_cpus, resources.max_concurrent or on_gpus))


def outlook(plan: StudyPlan, record: PackingRecord) -> Outlook | None:
    """Return how the trials of a study on GPUs will run; None for a study on another device."""
    if plan.device.kind != "cuda":
        return None
    from trainables.preflight import why_not_captured

    shared = list(chosen(plan, record))
    arms = tuple(
        ArmOutlook(
            arm,
            why_not_captured(arm.config),
            why_alone(plan.definition, arm.config),
            tuple((probed, packing) for probed, packing in shared if probed.arm_id == arm.arm.arm_id),
        )
        for arm in plan.arms
    )
    return Outlook(plan, arms, int(gpus_of_this_machine()))


def _per_gpu(gpus: float) -> float:
    """Return the trials that one GPU holds, which is a part of one where a trial takes several."""
    if gpus == 0:
        return 1.0
    return math.floor(1 / gpus + 1e-9) if gpus <= 1 else 1 / gpus


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest
