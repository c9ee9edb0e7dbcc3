"""What a report is made from, computed once: tables, summary, answer, estimates by task and chance levels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from results.analysis.agreement import StudyAgreement, study_agreement
from results.analysis.answer.answer import METRIC, Answer, answer_of
from results.analysis.answer.missing import MissingArm, missing_arms
from results.analysis.chance import chance_levels, mean_chance
from results.analysis.confirmed import ConfirmedResults, confirmed_results, validation_means
from results.analysis.figure_data.curves import arm_curves
from results.analysis.figure_data.ending import Ending, endings
from results.analysis.figure_data.networks import Networks
from results.analysis.front.cheapest import WITHIN, Cheapest, cheapest_within
from results.analysis.front.costed import CostedArms, costed_arms
from results.analysis.front.uncertainty import FrontUncertainty, front_uncertainty
from results.analysis.importance.of_study import Importances, importances_of
from results.analysis.inference.aggregate import performance_profiles
from results.analysis.inference.best import BestArms, best_arms
from results.analysis.inference.comparison import improvements
from results.analysis.inference.gain import worst_gains
from results.analysis.inference.scores import Scores, scores_of
from results.analysis.inference.task_remarks import TaskRemark, task_remarks
from results.analysis.inference.verdicts import Verdicts, verdicts_on
from results.analysis.selection import rule_of
from results.analysis.storage.arms import StoredArm
from results.analysis.storage.efficient import Limits, efficient_set
from results.analysis.storage.of_study import GALLERIES, StorageKnown, stored_arms
from results.analysis.summary import REFERENCE_ARMS, summarize
from results.analysis.task_estimates import task_estimates
from results.analysis.tradeoff import tradeoff_points
from results.tables.store import read_table, table_path

TABLES = ("trials", "task_metrics", "storage", "failures")


@dataclass(frozen=True)
class Results:
    """The tables of a study, and what is computed from them when it is first asked for.

    Attributes:
        trials, task_metrics, storage, failures: The tables.
        curves: The table, if there is one.
        collected: The ``summary`` table of the same trials, where it was made before.
        stored_networks: What is known of the networks as stored, beside the tables.
        networks: What is known of the trained networks themselves.
        within: Points of the best within which the cheapest arm is looked for.
    """

    trials: pd.DataFrame
    task_metrics: pd.DataFrame
    storage: pd.DataFrame
    failures: pd.DataFrame
    curves: pd.DataFrame | None = None
    collected: pd.DataFrame | None = None
    stored_networks: StorageKnown = field(default_factory=StorageKnown)
    networks: Networks = field(default_factory=Networks)
    within: float = WITHIN

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame]) -> Results:
        """Return the results of tables by name."""
        trials, task_metrics, storage, failures = (tables[name] for name in TABLES)
        return cls(trials, task_metrics, storage, failures, tables.get("curves"), tables.get("summary"))

    @property
    def study(self) -> str:
        """The name of the study."""
        return str(self.trials["study"].iloc[0]) if len(self.trials) else "without trials"

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks in the order of the configuration, which is that of modulation vectors."""
        return tuple(json.loads(str(self.trials["config"].iloc[0]))["data"]["tasks"]) if len(self.trials) else ()

    @cached_property
    def confirmed(self) -> ConfirmedResults:
        """The confirm trials that are reported."""
        return confirmed_results(self.trials, self.task_metrics, rule_of(self.trials))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The ``summary`` table."""
        if self.collected is not None:
            return self.collected
        return summarize(self.trials, self.task_metrics, self.storage, self.confirmed.rule)

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """Triplet accuracy by arm and task, as ``task_estimates`` returns it."""
        return task_estimates(self.confirmed, self.summary)

    @cached_property
    def points(self) -> pd.DataFrame:
        """The data of the trade-off figure."""
        return tradeoff_points(self.summary, METRIC)

    @cached_property
    def answer(self) -> Answer | None:
        """The answer of the study; None until there is one."""
        return answer_of(self.summary, self.confirmed, self.validation, self.verdicts)

    @cached_property
    def missing(self) -> tuple[MissingArm, ...]:
        """The arms without a test result."""
        return missing_arms(self.summary, self.trials, self.failures)

    @cached_property
    def validation(self) -> dict[str, float]:
        """The selection metric of confirm trials on validation images, mean over tasks and trials, by ``arm_id``."""
        return validation_means(self.confirmed, self.task_metrics)

    @cached_property
    def endings(self) -> tuple[Ending, ...]:
        """The end of training of every arm, by the selection metric on validation images; empty without curves."""
        if self.curves is None:
            return ()
        return endings(arm_curves(self.curves, self.confirmed.trials, f"validation/{self.confirmed.rule.metric}"))

    @cached_property
    def chances(self) -> pd.DataFrame:
        """Chance levels of every headline metric, by task."""
        return chance_levels(self.confirmed)

    @property
    def chance(self) -> float | None:
        """The mean chance level of triplet accuracy, if known."""
        return mean_chance(self.confirmed, METRIC)

    @cached_property
    def scores(self) -> Scores:
        """Triplet accuracy by arm, seed and task."""
        return scores_of(self.confirmed, self.summary, METRIC)

    @cached_property
    def costed(self) -> CostedArms:
        """Accuracy by arm and seed, with the added parameters."""
        return costed_arms(self.scores, self.summary)

    @cached_property
    def cheapest(self) -> Cheapest | None:
        """The cheapest arm within ``within`` points of the best; None without arms."""
        return cheapest_within(self.costed, self.within)

    @cached_property
    def front(self) -> FrontUncertainty:
        """The front of accuracy against added parameters, with its uncertainty."""
        return front_uncertainty(self.costed)

    @cached_property
    def agreement(self) -> StudyAgreement | None:
        """The measured agreement of task gradients; None if nothing can be compared."""
        if self.curves is None:
            return None
        return study_agreement(self.curves, self.confirmed, self.summary, self.storage)

    @cached_property
    def verdicts(self) -> Verdicts:
        """Which of any two arms is better."""
        return verdicts_on(self.scores)

    @cached_property
    def best(self) -> BestArms | None:
        """The arms that cannot be told from the best; None without results."""
        return best_arms(self.verdicts)

    @property
    def reference(self) -> str | None:
        """The arm with which every other is compared: separate networks, else the shared one; None without both."""
        return next((name for name in reversed(REFERENCE_ARMS) if name in self.scores.arms), None)

    @cached_property
    def improvements(self) -> pd.DataFrame:
        """The probability of improvement over ``reference``, as ``improvements`` returns it; empty without one."""
        return improvements(self.scores, self.reference) if self.reference else pd.DataFrame(columns=["arm"])

    @cached_property
    def told_from_reference(self) -> frozenset[str]:
        """The arms that the seeds tell apart from ``reference``."""
        if self.reference is None:
            return frozenset()
        others = [arm for arm in self.scores.arms if arm != self.reference]
        found = {arm: self.verdicts.of(arm, self.reference) for arm in others}
        return frozenset(arm for arm, verdict in found.items() if verdict is not None and verdict.told_apart)

    @cached_property
    def relative_gains(self) -> pd.DataFrame:
        """The relative gain over ``reference`` (delta-m) and the worst task, as ``worst_gains`` returns them."""
        return worst_gains(self.scores, self.reference) if self.reference else pd.DataFrame(columns=["arm"])

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """Performance profiles, as ``performance_profiles`` returns them."""
        return performance_profiles(self.scores)

    @cached_property
    def importances(self) -> Importances:
        """What matters: factors and nuisance values."""
        tables = (self.trials, self.task_metrics, self.storage)
        return importances_of(tables, self.confirmed.rule, self.scores, self.summary)

    @cached_property
    def stored(self) -> tuple[StoredArm, ...]:
        """The arms at every precision that is known of them."""
        return stored_arms(self.summary, self.confirmed, self.stored_networks, len(self.scores.tasks))

    @cached_property
    def efficient(self) -> dict[float, tuple[StoredArm, ...]]:
        """Those of ``stored`` that no other one beats, by gallery size."""
        return {images: efficient_set(self.stored, images, Limits()) for images in GALLERIES}

    @cached_property
    def task_remarks(self) -> tuple[TaskRemark, ...]:
        """Tasks near chance, and trivial ones."""
        return task_remarks(self.scores)


def read_results(folder: Path) -> Results:
    """Read the tables in a folder.

    Raises:
        ValueError: A table is missing or unreadable.
    """
    curves = read_table(folder, "curves") if table_path(folder, "curves").is_file() else None
    trials, task_metrics, storage, failures = (read_table(folder, name) for name in TABLES)
    return Results(trials, task_metrics, storage, failures, curves)
