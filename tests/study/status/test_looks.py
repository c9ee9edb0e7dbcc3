"""Seeds that a study file gained after its first results are named; those planned together are not."""

from __future__ import annotations

from study.journal.index import read_states
from study.layout import RunFolder
from study.plan.plan import StudyPlan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import RunProgress, progress_of
from study.status.looks import look_line, seeds_added_after_look


class SeededJournaling:
    """Journals every missing trial of a plan, as a run of its study file of this moment does."""

    def __init__(self, folder: RunFolder, journaling) -> None:
        self.folder, self.journaling = folder, journaling

    def play(self, plan: StudyPlan) -> RunProgress:
        while True:
            progress = progress_of(plan, read_states(self.folder), DrawnRounds(self.folder))
            units = [unit for _, arm in progress.arms for unit in arm.ready]
            if not units:
                return progress
            trial = units[0].trial
            event = trial.planned_event("tiny", plan.definition.confirm.seeds)
            self.journaling.append(trial, "planned", **event)
            self.journaling.start(trial, trial.config.optimization.epochs, attempt=2)
            self.journaling.end(trial)


def with_seeds(plan: StudyPlan, seeds: tuple[int, ...]) -> StudyPlan:
    from dataclasses import replace

    confirm = plan.definition.confirm.model_copy(update={"seeds": seeds})
    return replace(plan, definition=plan.definition.model_copy(update={"confirm": confirm}))


def test_seeds_added_after_results_are_named(plan: StudyPlan, folder: RunFolder, journaling) -> None:
    run = SeededJournaling(folder, journaling)
    first = run.play(with_seeds(plan, (1, 2)))
    assert look_line(first) is None
    second = run.play(with_seeds(plan, (1, 2, 7, 9)))
    assert seeds_added_after_look(second) == (7, 9)
    assert "train seeds 7, 9 were added after trials of the earlier seeds had been completed" in look_line(second)


def test_journals_that_do_not_tell_are_not_accused(plan: StudyPlan, folder: RunFolder, journaling) -> None:
    journaling.play(plan)
    assert seeds_added_after_look(progress_of(plan, read_states(folder), DrawnRounds(folder))) == ()
