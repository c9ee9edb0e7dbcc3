"""``search.mode: explore`` against random search and an exhaustive design that has been run: hypervolume per trial.

    python -m benchmarks.explore --table trials.jsonl [--train] [--trials 48] [--round-size 8] [--seeds 20]

``--train`` trains every trial of a small study that the table lacks: each set of stages within a budget, with two
initializations, at one learning rate; two to four CPU seconds a trial, one after another on one core.
Without it the table is replayed: an exploration proposes trials as in a study, by the study's own code, and what comes
of them is looked up. So the table is a benchmark for samplers, and what each finds can be compared with all there is.

Printed: the hypervolume after so many trials as a share of that of all trials, mean over seeds with 95 % Student t
intervals; the differences to random search; trials until 95 % are reached; and how much of what the sampler chose was
over the budget. Accuracies are of validation images and one train seed, so part of a table is noise that no sampler
can foresee.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from results.analysis.front.uncertainty import hypervolume
from results.analysis.statistics import Floats, student_mean, student_quantile
from study.definition.model import StudyDefinition
from study.plan.plan import PlannedTrial, StudyPlan, compile_plan, plan_trial
from study.schedule.explore.genes import Genes
from study.schedule.explore.proposing import propose, samplers_of
from study.schedule.explore.record import ExploreRequest, Outcome, Proposed
from trainables.outcome import mean_over_tasks

SAMPLERS = ("tpe", "nsga2", "nsga3", "random")
CHANCE = 0.5
ENOUGH = 0.95
SETTINGS: dict[str, Any] = {
    "name": "explored",
    "data": {
        "source": {
            "kind": "generated",
            "train_images": 192,
            "validation_images": 150,
            "test_images": 12,
            "exaggeration": 2.0,
            "variety": 0.1,
        },
        "tasks": ["Smiling", "Glasses", "Hat"],
        "image_size": 48,
    },
    "network": {"width": 0.0625, "batch_norm_momentum": 0.1},
    "batches": {"scheme": "all_tasks", "batch_size": 24},
    "optimization": {"optimizer": "adam", "schedule": "cosine", "epochs": 4, "learning_rate": 0.03},
    "evaluation": {"triplets_per_task": 1000, "validate_every": 4},
    "space": {
        "blocks": [{"placement": ["subsets"], "initialization": ["ones", "normal(1,0.1)"]}],
        "nuisance": {},
        "budget": {"added_parameters": 96},
    },
}

Table = Mapping[str, float]
"""Objectives by trial id."""


@dataclass(frozen=True)
class Explored:
    """A replayed exploration: its trials in order, and how many choices were refused."""

    trials: tuple[PlannedTrial, ...]
    refused: int


def plan_of(**search: Any) -> StudyPlan:
    """Return the study, to be explored."""
    settings = {**SETTINGS, "search": {"mode": "explore", "trials": 1, **search}}
    return compile_plan(StudyDefinition.model_validate(settings))


def all_trials(plan: StudyPlan) -> list[PlannedTrial]:
    """Return the exhaustive design: every arm."""
    return [plan_trial(plan, arm, stage="tune", round_=0, index=0, nuisance={}, train_seed=0) for arm in plan.arms]


def read_table(path: Path) -> dict[str, float]:
    """Return the objectives in a table; empty if there is none."""
    rows = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {row["trial_id"]: row["objective"] for row in rows}


def train(plan: StudyPlan, path: Path) -> None:
    """Train the trials that the table lacks and append a line for each."""
    import torch

    from trainables.run import run_trial

    torch.set_num_threads(1)
    known = read_table(path)
    with tempfile.TemporaryDirectory() as scratch, path.open("a") as table:
        for trial in all_trials(plan):
            if trial.trial_id in known:
                continue
            began, workspace = time.process_time(), Path(scratch, trial.trial_id)
            outcome = run_trial(
                trial.config, report=lambda _record: None, workspace=workspace, cache=Path(scratch, "cache")
            )
            row = {
                "trial_id": trial.trial_id,
                "arm": trial.arm.name,
                "objective": mean_over_tasks(outcome.task_metrics, "validation", "triplet_accuracy", "query"),
                "seconds": round(time.process_time() - began, 2),
            }
            table.write(json.dumps(row) + "\n")
            table.flush()


def explored(plan: StudyPlan, genes: Genes, table: Table) -> Explored:
    """Return a whole exploration; each round is told what came of those before."""
    search, samplers = plan.definition.search, samplers_of(genes)
    told, outcomes, rounds = list[PlannedTrial](), list[Outcome](), list[Proposed]()
    while len(told) < (search.trials or 0):
        size = min(search.round_size, (search.trials or 0) - len(told))
        refused = tuple(each.refused for each in rounds)
        request = ExploreRequest(plan, len(rounds), size, tuple(told), tuple(outcomes), refused)
        rounds.append(propose(request, genes, samplers))
        if not rounds[-1].trials:
            break
        for place, proposal in enumerate(rounds[-1].trials):
            trial = request.trial(place, proposal)
            added = genes.arms[proposal.arm_id].storage.added_parameters
            told.append(trial)
            outcomes.append(Outcome(proposal.choices, table[trial.trial_id], added, request.number))
    return Explored(tuple(told), sum(len(each.refused) for each in rounds))


def volumes(plan: StudyPlan, trials: Sequence[PlannedTrial], table: Table) -> Floats:
    """Return the hypervolume of the best objectives after each trial, over the costs of all arms of the plan."""
    cost = np.array([arm.storage.added_parameters for arm in plan.arms], dtype=np.float64)
    place = {arm.arm.arm_id: index for index, arm in enumerate(plan.arms)}
    best = np.full((len(trials), len(cost)), np.nan)
    for index, trial in enumerate(trials):
        column = place[trial.arm.arm_id]
        best[index:, column] = np.fmax(best[index:, column], table[trial.trial_id])
    return hypervolume(best, cost, CHANCE)


@dataclass(frozen=True)
class Curves:
    """What a sampler found: shares of the exhaustive hypervolume, shape (seeds, trials), and shares refused."""

    shares: Floats
    refused: Floats

    def reached(self) -> Floats:
        """Return after how many trials each seed had enough; one more than all if it never had."""
        enough = self.shares >= ENOUGH
        return np.where(enough.any(axis=1), enough.argmax(axis=1), self.shares.shape[1]) + 1.0


def replayed(plan: StudyPlan, table: Table, sampler: str, seeds: int) -> Curves:
    """Return the curves of a sampler over sampler seeds 0, 1, ..."""
    known = float(volumes(plan, all_trials(plan), table)[-1])
    shares, refused = [], []
    for seed in range(seeds):
        search = plan.definition.search.model_copy(update={"sampler": sampler, "sampler_seed": seed})
        study = replace(plan, definition=plan.definition.model_copy(update={"search": search}))
        found = explored(study, Genes(study), table)
        shares.append(volumes(plan, found.trials, table) / known)
        refused.append(found.refused / (found.refused + len(found.trials)))
    length = min(map(len, shares))
    return Curves(np.array([curve[:length] for curve in shares]), np.array(refused))


def lines(curves: Mapping[str, Curves], at: Sequence[int]) -> Iterator[str]:
    """Yield what is printed of every sampler."""
    for sampler, found in curves.items():
        cells = (f"{n}: {_mean(found.shares[:, n - 1])}" for n in at)
        yield f"{sampler}: " + ", ".join(cells)
        reached, refused = np.median(found.reached()), found.refused.mean()
        yield f"  {ENOUGH:.0%} reached after {reached:.0f} trials (median); {refused:.0%} of the choices refused"
        if sampler != "random":
            versus = (f"{n}: {_difference(found, curves['random'], n)}" for n in at)
            yield "  minus random: " + ", ".join(versus)


def _mean(values: Floats) -> str:
    found = student_mean(values)
    return f"{values.mean():.3f} [{found.low:.3f}, {found.high:.3f}]"


def _difference(ours: Curves, theirs: Curves, trials: int) -> str:
    """Return a difference of means with Welch's interval; the seeds of two samplers are independent."""
    one, other = ours.shares[:, trials - 1], theirs.shares[:, trials - 1]
    parts = np.array([one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)])
    mean, half = one.mean() - other.mean(), 0.0
    if parts.any():
        freedom = parts.sum() ** 2 / (parts**2 / [len(one) - 1, len(other) - 1]).sum()
        half = student_quantile(freedom) * np.sqrt(parts.sum())
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def main() -> None:
    """Train or replay, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--round-size", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    plan = plan_of(trials=options.trials, round_size=options.round_size)
    if options.train:
        train(plan, options.table)
    table, every = read_table(options.table), all_trials(plan)
    missing = sum(trial.trial_id not in table for trial in every)
    if missing:
        parser.error(f"{options.table}: {missing} of {len(every)} trials are missing; add them with --train")
    best, total = max(table[trial.trial_id] for trial in every), float(volumes(plan, every, table)[-1])
    print(f"{len(plan.arms)} arms within the budget, {len(plan.over_budget)} over it")
    print(f"exhaustive: {len(every)} trials, best {best:.3f}, hypervolume {total:.4f}")
    curves = {sampler: replayed(plan, table, sampler, options.seeds) for sampler in SAMPLERS}
    length = min(found.shares.shape[1] for found in curves.values())
    for line in lines(curves, [n for n in (8, 16, 24, 32, 48, 64, 96, 128) if n <= length]):
        print(line)


if __name__ == "__main__":
    main()
