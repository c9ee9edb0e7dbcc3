"""What Optuna is told of earlier trials: a process makes every trial once, and tells it to a new study for every round.

A round must depend on the record alone. A study that went on from round to round would also hold what earlier rounds
were asked for and have refused, in the order in which that happened, and a run that was resumed would not. So the study
is new, and told the same trials in the same order; kept are the trials, whose making is what took the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

Source = TypeVar("Source")
Direction = Literal["maximize", "minimize"]


class ToldTrial(FrozenTrial):
    """A trial that has ended. A storage takes it as it is, where it copies any other deeply, and numbers it anew."""

    def __deepcopy__(self, memo: dict[int, Any]) -> ToldTrial:
        """Return the trial itself; samplers only read trials that have ended."""
        return self

    @cached_property
    def constraints(self) -> dict[str, float]:
        """Constraint values by name, looked up once: TPE asks for them whenever it draws a value."""
        found: dict[str, float] = super().constraints
        return found

    @classmethod
    def of(cls, trial: FrozenTrial) -> ToldTrial:
        """Return such a trial with the content of one that ``optuna.trial.create_trial`` has made and checked."""
        told = cls.__new__(cls)
        vars(told).update(vars(trial))
        return told


class ToldTrials(Generic[Source]):
    """Trials that are told again and again, as ever more of them end.

    Args:
        make: returns the trial of a source; None for one that is not told.
    """

    def __init__(self, make: Callable[[Source], FrozenTrial | None]) -> None:
        self._make = make
        self._sources: list[Source] = []
        self._told: list[ToldTrial] = []

    @property
    def trials(self) -> tuple[ToldTrial, ...]:
        """The trials, in the order of their sources."""
        return tuple(self._told)

    def take(self, sources: Sequence[Source]) -> bool:
        """Make the trials of these sources that are new; return whether all the others stand as they were.

        If a source differs from what it was, all are made anew.
        """
        stand = self._sources == list(sources[: len(self._sources)])
        if not stand:
            self._sources, self._told = [], []
        for source in sources[len(self._sources) :]:
            self._sources.append(source)
            made = self._make(source)
            if made is not None:
                self._told.append(ToldTrial.of(made))
        return stand


def study_told(trials: Iterable[ToldTrial], directions: Sequence[Direction], sampler: BaseSampler) -> optuna.Study:
    """Return a new study that has been told these trials, as ``add_trial`` does but without checking them again."""
    storage = InMemoryStorage()
    study = optuna.create_study(storage=storage, directions=directions, sampler=sampler)
    study_id = storage.get_study_id_from_name(study.study_name)
    for trial in trials:
        storage.create_new_trial(study_id, template_trial=trial)
    return study
