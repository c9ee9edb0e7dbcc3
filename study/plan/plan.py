"""From a definition to what will be trained: arms, their storage figures, and trials with their ids. Trains nothing."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from search_spaces.arms import Arm
from search_spaces.factors.forms import Forms
from search_spaces.factors.kinds import EQUAL_COST
from search_spaces.nuisance import NUISANCE, points_in
from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.errors import UserError
from study.layout import dataset_cache
from study.plan.arm_config import Nuisance, arm_config, with_values
from study.plan.budget import ArmOverBudget, over_budget
from study.plan.counted import Counted
from study.plan.device import ON_THE_CPU, PlannedDevice, chosen_device
from study.plan.own_values import with_own_values
from trainables.config.acting import acts
from trainables.config.evaluation import EvaluationConfig
from trainables.config.identity import RESULTS_VERSION, trial_id
from trainables.config.network import with_known_content
from trainables.config.registries import note_traits
from trainables.config.runtime import Device
from trainables.config.trial import TrialConfig
from trainables.networks.components import StorageLedger

Stage = Literal["tune", "confirm"]
SPLITS: dict[Stage, tuple[str, ...]] = {"tune": ("validation",), "confirm": ("validation", "test")}
"""Test images are evaluated in ``confirm`` only."""


@dataclass(frozen=True)
class PlannedArm:
    """One arm, its trial configuration with the fixed nuisance values and the tune seed, and its storage cost.

    ``cost_on_record`` is its ``training_cost`` where ``plan.json`` has it, which is then known without torch.
    """

    arm: Arm
    config: TrialConfig
    storage: StorageLedger
    cost_on_record: float | None = field(default=None, compare=False)

    @property
    def is_twin(self) -> bool:
        """Whether the arm is to be trained at equal cost and costs no more than the shared network, at equal steps."""
        return self.arm.levels["budget"] == EQUAL_COST and self.config.optimization.step_share == 1

    @cached_property
    def training_cost(self) -> float:
        """Multiply-adds of a training, relative to that of one shared network at equal steps; to four decimals."""
        if self.cost_on_record is not None:
            return self.cost_on_record
        from trainables.training_cost import relative_cost

        return round(self.config.optimization.step_share * relative_cost(self.config), 4)

    @cached_property
    def trials_known(self) -> dict[Hashable, PlannedTrial]:
        """The trials that ``plan_trial`` has made, by all that they follow from: progress is looked at many times."""
        return {}

    @cached_property
    def evaluations(self) -> dict[Stage, EvaluationConfig]:
        """What is evaluated of its trials in each stage: one object for all of them."""
        return {stage: self.config.evaluation.model_copy(update={"splits": SPLITS[stage]}) for stage in SPLITS}


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial to run. Only ``config`` and ``data_fingerprint`` determine its result, and thus ``trial_id``."""

    trial_id: str
    stage: Stage
    round: int
    index: int
    arm: Arm
    nuisance: Nuisance
    config: TrialConfig
    sampler_seed: int
    data_fingerprint: str
    results_version: int = RESULTS_VERSION

    def planned_event(self, study: str, confirm_seeds: Sequence[int] = ()) -> dict[str, Any]:
        """Return the fields of the first line of the trial's journal.

        ``confirm_seeds``: those of the study file at this time, kept with confirm trials: seeds added later are told.
        """
        seeds = {"confirm_seeds": list(confirm_seeds)} if confirm_seeds and self.stage == "confirm" else {}
        return {
            "study": study,
            "trial_id": self.trial_id,
            "stage": self.stage,
            "round": self.round,
            "index": self.index,
            "arm": self.arm.to_dict(),
            "nuisance": dict(self.nuisance),
            "sampler_seed": self.sampler_seed,
            "data_fingerprint": self.data_fingerprint,
            "results_version": self.results_version,
            "config": self.config.model_dump(mode="json"),
            **seeds,
        }


@dataclass(frozen=True)
class StudyPlan:
    """Everything known before training.

    Attributes:
        definition: the study.
        data_fingerprint: of its images and labels.
        arms: the rivals.
        duplicates: number of factor combinations that duplicate another arm.
        results_version: of the code that produces its numbers, or that produced those of an existing run.
        device: on which its trials run, and whether their ids hold it.
        over_budget: the arms left out because they exceed ``space.budget``.
    """

    definition: StudyDefinition
    data_fingerprint: str
    arms: tuple[PlannedArm, ...]
    duplicates: int
    results_version: int = RESULTS_VERSION
    device: PlannedDevice = ON_THE_CPU
    over_budget: tuple[ArmOverBudget, ...] = ()

    @property
    def gpus(self) -> float:
        """The GPUs, or the share of one, reserved for a trial; ``auto`` is a whole one, on the device ``cuda`` only."""
        asked = self.definition.resources.gpus
        return float(self.device.kind == "cuda") if asked == "auto" else asked

    def idle_nuisance(self, arm: PlannedArm) -> frozenset[str]:
        """Return the tuned hyperparameters that cannot change a trial of this arm, such as ``mask_l1`` without masks.

        Version 2 tuned them nevertheless.
        """
        tuned = self.definition.space.nuisance if self.results_version > 2 else ()
        return frozenset(name for name in tuned if not acts(arm.config, NUISANCE[name].key))

    def tune_trials(self, arm: PlannedArm) -> int:
        """Return the arm's number of tune trials: fewer than others if there are no more distinct ones.

        In the mode ``explore`` the sampler decides that; the number is what an arm would have if all had the same.
        """
        search = self.definition.search
        if search.trials is not None:
            return math.ceil(search.trials / len(self.arms))
        idle, ranges = self.idle_nuisance(arm), self.definition.space.nuisance
        points = points_in(values for name, values in ranges.items() if name not in idle)
        return min(search.trials_for(self.most_tuned), points)

    @cached_property
    def most_tuned(self) -> int:
        """The number of values tuned in the arm that tunes most; it sets the effort of all arms."""
        tuned = len(self.definition.space.nuisance)
        return max((tuned - len(self.idle_nuisance(arm)) for arm in self.arms), default=0)

    @property
    def trials(self) -> int:
        """All trials of all arms; in the mode ``explore`` without confirm trials, since those depend on the front."""
        if self.definition.search.trials is not None:
            return self.definition.search.trials
        return sum(self.tune_trials(arm) + len(self.definition.confirm.seeds) for arm in self.arms)


def compile_plan(
    definition: StudyDefinition,
    data_fingerprint: str | None = None,
    results_version: int = RESULTS_VERSION,
    device: PlannedDevice | None = None,
    counted: Counted | None = None,
) -> StudyPlan:
    """Expand the search space into arms, each with its trial configuration and storage figures.

    Args:
        definition: the study.
        data_fingerprint: of the data, if known; None reads it from the data.
        results_version: of the code that made the numbers; an older one finds the trials of an older run.
        device: of the trials; None takes what the study asks for, and the CPU where it leaves that open.
        counted: what an earlier plan of this very definition found out; None finds it out, which takes torch.

    Raises:
        UserError: unknown backbone, stage or task, unreadable start weights, a combination that is not a valid
            trial, or no arm within ``space.budget``; names key and nearest name.
    """
    fingerprint = data_fingerprint or fingerprint_of(definition)
    with error_context("network"):
        definition = definition.model_copy(update={"network": with_known_content(definition.network)})
        stages = _stages(definition) if counted is None else counted.stages
    with error_context("space"):
        forms = _forms(definition) if counted is None else counted.forms
    if counted is not None:
        note_traits(counted.forms)
    try:
        expansion = definition.space.expand(stages, definition.data.tasks, forms, definition.budget)
    except ValueError as error:  # its message starts with the key inside the space
        raise UserError(f"space.{error}") from error
    definition = with_own_values(definition, expansion.arms)
    device = device or PlannedDevice(chosen_device(definition))
    with error_context("space"):
        arms = tuple(_plan_arm(definition, arm, device.kind, counted) for arm in expansion.arms)
    if definition.budget == "both":
        arms = tuple(arm for arm in arms if not arm.is_twin)
    duplicates = expansion.duplicates + len(expansion.arms) - len(arms)
    over = over_budget(definition.space.budget, {arm.arm.name: arm.storage for arm in arms})
    kept = tuple(arm for arm in arms if arm.arm.name not in over)
    left_out = tuple(replace(over[arm.arm.name], arm_id=arm.arm.arm_id) for arm in arms if arm.arm.name in over)
    return StudyPlan(definition, fingerprint, kept, duplicates, results_version, device, left_out)


def fingerprint_of(definition: StudyDefinition) -> str:
    """Return the fingerprint of the study's data.

    Raises:
        UserError: the data is missing, or has no such task.
    """
    from trainables.data import data_fingerprint

    with error_context("data"):
        return data_fingerprint(definition.data, definition.seeds.data_seed, dataset_cache())


def _stages(definition: StudyDefinition) -> tuple[str, ...]:
    from trainables.networks.backbones import stage_shapes

    return tuple(shape.name for shape in stage_shapes(definition.network, definition.data.image_size))


def _forms(definition: StudyDefinition) -> Forms:
    from trainables.networks.modulation import known_forms

    return known_forms(definition.space.form_kinds)


def _plan_arm(definition: StudyDefinition, arm: Arm, device: Device, counted: Counted | None) -> PlannedArm:
    config = arm_config(definition, arm, device)
    if counted is not None and (known := counted.ledger(arm.arm_id)) is not None:
        return PlannedArm(arm, config, known, counted.training_costs[arm.arm_id])
    from trainables.losses.balancing import check_balancing
    from trainables.networks.ledger import storage_ledger

    ledger = storage_ledger(config)
    check_balancing(config)  # refuses a method that is unknown or cannot balance such networks
    return PlannedArm(arm, config, ledger)


def plan_trial(  # noqa: PLR0913 - five of the seven are keyword-only and name one trial
    plan: StudyPlan,
    planned_arm: PlannedArm,
    *,
    stage: Stage,
    round_: int,
    index: int,
    nuisance: Nuisance,
    train_seed: int,
) -> PlannedTrial:
    """Return the trial of an arm with these nuisance values and seed, its splits chosen by the stage.

    Args:
        plan: the study.
        planned_arm: one of its arms.
        stage: ``tune`` evaluates validation images, ``confirm`` test images too.
        round_: round of the sampler; 0 in ``confirm``.
        index: number of the trial within the stage of its arm.
        nuisance: values by the names of ``NUISANCE``.
        train_seed: seed of weights and batches.

    Raises:
        UserError: the values do not form a valid trial.
    """
    values = tuple((name, repr(value)) for name, value in nuisance.items())  # 1 and 1.0 are equal, and written apart
    of_plan = plan.data_fingerprint, plan.results_version, plan.device, plan.definition.search.sampler_seed
    key = of_plan, stage, round_, index, train_seed, values
    known = planned_arm.trials_known
    if key not in known:
        evaluation = planned_arm.evaluations[stage]
        with error_context("space.nuisance"):
            config = with_values(planned_arm.config, nuisance, evaluation=evaluation, train_seed=train_seed)
        known[key] = PlannedTrial(
            trial_id=trial_id(config, plan.data_fingerprint, plan.results_version, cpu_in_ids=plan.device.cpu_in_ids),
            stage=stage,
            round=round_,
            index=index,
            arm=planned_arm.arm,
            nuisance=nuisance,
            config=config,
            sampler_seed=plan.definition.search.sampler_seed,
            data_fingerprint=plan.data_fingerprint,
            results_version=plan.results_version,
        )
    return known[key]
