"""Made-up but realistic tables of a study: rival arms from no added parameter to whole extra networks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from results.analysis.reported import Results
from results.tables.metrics import TASK_METRICS

TASKS = ("smiling", "mouth_open", "glasses", "hat", "blond_hair", "beard", "male")
BASE_PARAMETERS = 2_953_664
STAGES = {"conv1": 64, "res2": 128, "res3": 256, "res4": 256, "res5": 512, "fc": 128}


@dataclass(frozen=True)
class MadeArm:
    name: str
    points: tuple[str, ...]
    accuracy: float
    networks: int = 1

    @property
    def arm_id(self) -> str:
        return hashlib.blake2b(self.name.encode(), digest_size=6).hexdigest()

    @property
    def added(self) -> int:
        return len(TASKS) * sum(STAGES[p] for p in self.points) + (self.networks - 1) * BASE_PARAMETERS


LATE = ("res4", "res5", "fc")
ARMS = (
    MadeArm("separate", (), 0.871, len(TASKS)),
    MadeArm("shared", (), 0.742),
    MadeArm("embedding+disjoint(0)-frozen", ("fc",), 0.781),
    MadeArm("embedding+normal(0.9,0.7)", ("fc",), 0.806),
    MadeArm("late", LATE, 0.842),
    MadeArm("all", tuple(STAGES), 0.846),
    MadeArm("late+network_per_task", LATE, 0.869, len(TASKS)),
)


@dataclass(frozen=True)
class MadeStudy:
    trials: pd.DataFrame
    task_metrics: pd.DataFrame
    storage: pd.DataFrame
    failures: pd.DataFrame

    def without(self, **equal: str) -> MadeStudy:
        """The same study without the trials whose columns have these values."""
        keep = ~np.logical_and.reduce([self.trials[name] == value for name, value in equal.items()])
        trials = self.trials[keep]
        metrics = self.task_metrics[self.task_metrics["trial_id"].isin(trials["trial_id"])]
        return replace(self, trials=trials, task_metrics=metrics)


def _trial(arm: MadeArm, stage: str, index: int, train_seed: int, objective: float) -> dict[str, object]:
    config = {
        "data": {
            "source": {"kind": "generated", "train_images": 1200, "validation_images": 300, "test_images": 400},
            "tasks": list(TASKS),
            "image_size": 48,
            "fit": "crop",
        },
        "network": {"backbone": "simplenet", "width": 0.25},
        "batches": {"scheme": "all_tasks", "images": 48},
        "optimization": {"optimizer": "adam", "schedule": "cosine", "epochs": 5},
        "evaluation": {"triplets_per_task": 2000},
        "compute": {"device": "cpu", "precision": "fp32"},
    }
    identity = f"{arm.name}/{stage}/{index}/{train_seed}"
    return {
        "study": "made-up",
        "trial_id": hashlib.blake2b(identity.encode(), digest_size=8).hexdigest(),
        "arm_id": arm.arm_id,
        "arm": arm.name,
        "placement": arm.name.split("+", maxsplit=1)[0] if arm.points else "none",
        "points": ",".join(arm.points),
        "form": "scale",
        "activation": "relu",
        "initialization": "ones",
        "grouping": "network_per_task" if arm.networks > 1 else "per_task",
        "grouping_level": "network" if arm.networks > 1 else "modulation",
        "balancing": "equal",
        "budget": "steps",
        "embedding_l2": 0.0,
        "mask_l1": 0.0,
        "score_steps": 10.0,
        "rate_factor": 1.0,
        "gradnorm_alpha": 1.5,
        "stage": stage,
        "round": 0,
        "trial_index": index,
        "state": "completed",
        "learning_rate": 1e-3 * (1 + (index if stage == "tune" else 1)),
        "margin": 0.2,
        "weight_decay": 0.0,
        "images_per_batch": 48,
        "data_seed": 0,
        "train_seed": train_seed,
        "sampler_seed": 0,
        "repeatable": "yes",
        "epochs_planned": 5,
        "epochs_run": 5,
        "seconds": 12.5,
        "peak_memory_bytes": 300_000_000,
        "objective": objective,
        "objective_metric": "validation/mean/triplet_accuracy/query",
        "added_parameters": arm.added,
        "training_cost": float(arm.networks),
        "parameters": BASE_PARAMETERS + arm.added,
        "mlflow_run_id": None,
        "data_fingerprint": "0123456789abcdef",
        "attempts": 1,
        "software": json.dumps({"python": "3.11.9", "torch": "2.13.0", "ray": "2.60.0"}),
        "config": json.dumps(config),
    }


def _metrics(trial: dict[str, object], arm: MadeArm, generator: np.random.Generator) -> list[dict[str, object]]:
    splits = ("validation",) if trial["stage"] == "tune" else ("validation", "test")
    offset = generator.normal(0, 0.006)
    hardness = {task: 0.06 * np.cos(1.7 * index) for index, task in enumerate(TASKS)}
    rows = []
    for split in splits:
        for task in TASKS:
            for metric in TASK_METRICS:
                scale = 1.0 if metric == "triplet_accuracy" else 0.8
                value = scale * arm.accuracy + hardness[task] + offset + generator.normal(0, 0.008)
                rows += [
                    {
                        **{n: trial[n] for n in ("study", "trial_id", "arm_id", "arm", "stage", "train_seed")},
                        "split": split,
                        "task": task,
                        "metric": metric,
                        "average": average,
                        "value": float(np.clip(value, 0, 1)),
                        "chance": 0.5,
                        "queries": 2000,
                    }
                    for average in ("query", "class")
                ]
    return rows


def _storage(arm: MadeArm) -> list[dict[str, object]]:
    def row(component: str, kind: str, parameters: int, added: int) -> dict[str, object]:
        return {
            "study": "made-up",
            "arm_id": arm.arm_id,
            "arm": arm.name,
            "component": component,
            "kind": kind,
            "parameters": parameters,
            "added_parameters": added,
            "added_parameters_per_task": added / len(TASKS),
            "bytes_fp32": 4 * parameters,
            "bytes_fp16": 2 * parameters,
            "embeddings_per_image": len(TASKS) if kind == "total" else None,
            "index_bytes_per_image_fp32": 7 * 512 if kind == "total" else None,
            "index_bytes_per_image_fp16": 7 * 256 if kind == "total" else None,
            "multiply_adds_per_image": 30_000_000 * (1 + len(arm.points)),
            "mask_bits": 0,
        }

    stages = [row(stage, "stage", BASE_PARAMETERS // 6, 0) for stage in STAGES]
    points = [row(p, "modulation", len(TASKS) * STAGES[p], len(TASKS) * STAGES[p]) for p in arm.points]
    return [*stages, *points, row("total", "total", BASE_PARAMETERS + arm.added, arm.added)]


def make_study(arms: tuple[MadeArm, ...] = ARMS, seeds: tuple[int, ...] = (1, 2, 3)) -> MadeStudy:
    generator = np.random.default_rng(3)
    trials, metrics = [], []
    for arm in arms:
        planned = [("tune", index, 0, arm.accuracy - 0.02 * abs(index - 1)) for index in range(4)]
        planned += [("confirm", index, seed, arm.accuracy) for index, seed in enumerate(seeds)]
        for stage, index, seed, objective in planned:
            trial = _trial(arm, stage, index, seed, objective)
            trials.append(trial)
            metrics += _metrics(trial, arm, generator)
    failure = {
        **{name: trials[0][name] for name in ("study", "trial_id", "arm_id", "arm", "stage")},
        "kind": "crashed",
        "message": "worker died | <script>alert(1)</script>",
        "traceback": "Traceback ...",
        "time": pd.Timestamp("2026-01-02T03:04:05Z"),
        "attempt": 1,
        "host": "node-7",
    }
    return MadeStudy(
        pd.DataFrame(trials),
        pd.DataFrame(metrics),
        pd.DataFrame([row for arm in arms for row in _storage(arm)]),
        pd.DataFrame([failure]),
    )


@pytest.fixture
def study() -> MadeStudy:
    return make_study()


@pytest.fixture(scope="session")
def usual() -> Results:
    """The results of the usual study, for tests that only read them: what is computed of them is computed once."""
    study = make_study()
    return Results(study.trials, study.task_metrics, study.storage, study.failures)


@pytest.fixture(scope="session", name="make_study")
def _study_maker() -> Callable[..., MadeStudy]:
    """Makes up a study of other arms or seeds."""
    return make_study


@pytest.fixture(scope="session")
def made_arm() -> type[MadeArm]:
    return MadeArm
