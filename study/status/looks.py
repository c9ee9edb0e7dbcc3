"""Seeds that were added to a study after results over its other seeds were there to be looked at."""

from __future__ import annotations

from study.schedule.progress import RunProgress, TrialProgress


def seeds_added_after_look(progress: RunProgress) -> tuple[int, ...]:
    """Return the confirm seeds that the study file named only after a confirm trial without them had been completed.

    Every confirm trial's ``planned`` line holds the seeds of the study file of its time; journals of older code lack
    them, and tell nothing.
    """
    confirm = [
        trial
        for trial in progress.trials
        if trial.trial.stage == "confirm" and trial.history and trial.history.planned.get("confirm_seeds")
    ]
    begun: dict[int, float] = {}
    for trial in confirm:
        seed = trial.trial.config.train_seed
        begun[seed] = min(begun.get(seed, float("inf")), _planned(trial))
    ends = [(_ended(trial), frozenset(_seeds(trial))) for trial in confirm if trial.state == "completed"]
    added = [seed for seed, start in begun.items() if any(end < start and seed not in known for end, known in ends)]
    return tuple(sorted(added))


def look_line(progress: RunProgress) -> str | None:
    """Return a line that names the seeds added after a look; None if there are none."""
    added = seeds_added_after_look(progress)
    if not added:
        return None
    listed = ", ".join(map(str, added))
    return (
        f"train seeds {listed} were added after trials of the earlier seeds had been completed; intervals and tests"
        " hold for a number of seeds chosen beforehand: if results were looked at first, they are too sure"
    )


def _planned(trial: TrialProgress) -> float:
    return float(trial.history.planned["time"]) if trial.history else 0.0


def _ended(trial: TrialProgress) -> float:
    finished = trial.history.finished if trial.history else None
    return float(finished["time"]) if finished else float("inf")


def _seeds(trial: TrialProgress) -> list[int]:
    return list(trial.history.planned["confirm_seeds"]) if trial.history else []
