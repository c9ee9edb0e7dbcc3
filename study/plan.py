"""From a definition to what will be trained: arms, their storage figures, and trials with their ids. Trains nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from search_spaces import Arm
from study.definition import StudyDefinition
from study.errors import UserError
from study.layout import RunFolder, write_atomically
from trainables.config import InitializationConfig, ModulationConfig, TrialConfig, trial_id
from trainables.ledger import StorageLedger

Stage = Literal["tune", "confirm"]
Nuisance = dict[str, float | int | str]

NUISANCE_KEYS: dict[str, tuple[str, str]] = {
    "learning_rate": ("optimization", "learning_rate"),
    "weight_decay": ("optimization", "weight_decay"),
    "margin": ("loss", "margin"),
    "images_per_batch": ("batches", "images"),
}
"""Where in a ``TrialConfig`` each nuisance value goes."""

SPLITS: dict[Stage, list[str]] = {"tune": ["validation"], "confirm": ["validation", "test"]}
"""Test images are looked at in ``confirm`` only."""


@dataclass(frozen=True)
class PlannedArm:
    """One arm, its trial configuration with the fixed nuisance values and the tune seed, and what it costs to store."""

    arm: Arm
    config: TrialConfig
    storage: StorageLedger


@dataclass(frozen=True)
class PlannedTrial:
    """One trial to run. Only ``config`` and ``data_fingerprint`` decide its result, and with it ``trial_id``."""

    trial_id: str
    stage: Stage
    round: int
    index: int
    arm: Arm
    nuisance: Nuisance
    config: TrialConfig
    sampler_seed: int
    data_fingerprint: str

    def planned_event(self, study: str) -> dict[str, Any]:
        """Return the fields of the first line of the trial's journal."""
        return {
            "study": study,
            "trial_id": self.trial_id,
            "stage": self.stage,
            "round": self.round,
            "index": self.index,
            "arm": arm_fields(self.arm),
            "nuisance": self.nuisance,
            "sampler_seed": self.sampler_seed,
            "data_fingerprint": self.data_fingerprint,
            "config": self.config.model_dump(mode="json"),
        }


@dataclass(frozen=True)
class StudyPlan:
    """Everything known before training. ``duplicates``: factor combinations that were the same arm as another."""

    definition: StudyDefinition
    data_fingerprint: str
    arms: tuple[PlannedArm, ...]
    duplicates: int


def compile_plan(definition: StudyDefinition) -> StudyPlan:
    """Expand the search space into arms, each with its trial configuration and storage figures.

    Raises:
        UserError: unknown backbone, stage or task, or a combination that is no valid trial; names key and nearest name.
    """
    from trainables.backbones import stage_shapes
    from trainables.data import data_fingerprint

    tasks = definition.data.tasks
    with _blaming("data"):
        fingerprint = data_fingerprint(definition.data, definition.seeds.data_seed)
    with _blaming("network"):
        stages = tuple(shape.name for shape in stage_shapes(definition.network, definition.data.image_size))
    with _blaming("space"):
        space = definition.search_space
        arms = space.arms(stages, tasks)
        planned = tuple(_plan_arm(definition, arm) for arm in arms)
    return StudyPlan(definition, fingerprint, planned, duplicates=0)


def _plan_arm(definition: StudyDefinition, arm: Arm) -> PlannedArm:
    from trainables.ledger import storage_ledger

    config = arm_config(definition, arm)
    return PlannedArm(arm, config, storage_ledger(config))


def arm_config(definition: StudyDefinition, arm: Arm) -> TrialConfig:
    """Return the trial configuration of an arm with the definition's own nuisance values and tune seed."""
    per_task = tuple((task,) for task in definition.data.tasks)
    own_networks = arm.grouping.level == "network"
    return TrialConfig(
        data=definition.data,
        network=definition.network,
        modulation=ModulationConfig(
            points=arm.points,
            form=arm.form,
            activation=arm.activation,
            initialization=InitializationConfig.model_validate(arm.initialization.fields()),
            groups=per_task if own_networks else arm.grouping.groups,
        ),
        network_groups=arm.grouping.groups if own_networks else (definition.data.tasks,),
        batches=definition.batches,
        loss=definition.loss,
        optimization=definition.optimization,
        evaluation=definition.evaluation,
        agreement=definition.agreement,
        compute=definition.compute.model_copy(update={"threads": definition.resources.threads}),
        data_seed=definition.seeds.data_seed,
        train_seed=definition.seeds.tune_seed,
    )


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
        nuisance: values by the names of ``NUISANCE_KEYS``.
        train_seed: seed of weights and batches.

    Raises:
        UserError: the values make no valid trial.
    """
    values = planned_arm.config.model_dump(mode="json")
    for name, value in nuisance.items():
        section, key = NUISANCE_KEYS[name]
        values[section][key] = value
    values["evaluation"]["splits"] = SPLITS[stage]
    values["train_seed"] = train_seed
    with _blaming(f"space.nuisance (arm {planned_arm.arm.name}, values {nuisance})"):
        config = TrialConfig.model_validate(values)
    return PlannedTrial(
        trial_id=trial_id(config, plan.data_fingerprint),
        stage=stage,
        round=round_,
        index=index,
        arm=planned_arm.arm,
        nuisance=nuisance,
        config=config,
        sampler_seed=plan.definition.search.sampler_seed,
        data_fingerprint=plan.data_fingerprint,
    )


@contextmanager
def _blaming(key: str) -> Iterator[None]:
    """Turn a leaf's ``ValueError`` into a ``UserError`` that names the key of the study file."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise UserError(f"{key}: {error}") from error


def arm_fields(arm: Arm) -> dict[str, Any]:
    """Return an arm as the plain values that journals and ``plan.json`` hold."""
    return {
        "name": arm.name,
        "arm_id": arm.arm_id,
        "placement_name": arm.placement_name,
        "points": list(arm.points),
        "form": arm.form,
        "activation": arm.activation,
        "initialization": arm.initialization.name,
        "grouping": arm.grouping.name,
        "grouping_level": arm.grouping.level,
    }


def storage_rows(study: str, planned: PlannedArm) -> list[dict[str, Any]]:
    """Return the arm's rows of the ``storage`` table."""
    raise NotImplementedError


def plan_document(plan: StudyPlan) -> dict[str, Any]:
    """Return what ``plan.json`` holds."""
    return {
        "study": plan.definition.name,
        "definition": plan.definition.model_dump(mode="json"),
        "data_fingerprint": plan.data_fingerprint,
        "arms": [
            {**arm_fields(planned.arm), "storage": storage_rows(plan.definition.name, planned)} for planned in plan.arms
        ],
    }


def write_plan(plan: StudyPlan, folder: RunFolder) -> None:
    """Write ``plan.json``: the definition, the data's fingerprint and every arm with its rows of the storage table."""
    write_atomically(folder.plan, json.dumps(plan_document(plan), indent=1, allow_nan=False) + "\n")
