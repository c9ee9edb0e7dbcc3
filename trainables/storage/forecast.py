"""Bytes and multiply-adds of an arm for any number of tasks, at any precision; nothing is allocated or trained.

Small networks are assembled, without memory, and figures of more are extended exactly: they depend on the numbers of
networks and of their branches alone, and grow by the same amount with every ``PERIOD`` branches of one network, and
with every network of equally many branches. (32 bits of masks count as one parameter, and bits are
packed eight a byte, so that the period is not 1; over networks it is 1 where no masks are stored.)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from trainables.config.trial import TrialConfig
from trainables.networks.backbones import stage_shapes
from trainables.networks.modulation.initialization import disjoint_blocks
from trainables.networks.multi_task import assemble_model
from trainables.storage.built import Forecast, forecast_of
from trainables.storage.growth import branches_of, branches_of_networks, with_branches, with_tasks

PERIOD = 32

MOST_BUILT = 2 * PERIOD
"""Tasks up to which groups are listed; beyond, they are counted."""

MOST_TASKS = 10**9


def forecast(config: TrialConfig, tasks: int | None = None) -> Forecast:
    """Return what an arm takes for a number of tasks, None for its own.

    Raises:
        ValueError: The arm does not exist for so many tasks, such as disjoint blocks of too few channels; there are
            more than ``MOST_TASKS``; or a form of another package does not grow evenly.
    """
    if tasks is not None and tasks > MOST_TASKS:
        raise ValueError(f"tasks must be at most {MOST_TASKS:,}, got {tasks}")
    few = config if tasks is None else None if tasks > MOST_BUILT else with_tasks(config, tasks)
    wanted = branches_of_networks(config, tasks or 0) if few is None else branches_of(few)
    _check_blocks(config, max(wanted))
    found = _of_one_network(config, max(wanted)) if wanted.total() == 1 else _of_networks(config, wanted)
    return replace(found, tasks=tasks or len(config.data.tasks))


def _check_blocks(config: TrialConfig, groups: int) -> None:
    """Refuse more disjoint blocks than channels, which no small network shows."""
    if config.modulation.initialization.kind == "disjoint":
        for shape in stage_shapes(config.network, config.data.image_size):
            if shape.name in config.modulation.points:
                disjoint_blocks(groups, shape.channels)


def _of_one_network(config: TrialConfig, branches: int) -> Forecast:
    small = _reduced(branches, PERIOD)
    if small == branches:
        return forecast_of(with_branches(config, Counter({branches: 1})))
    first, second, third = (
        forecast_of(with_branches(config, Counter({small + step * PERIOD: 1}))) for step in range(3)
    )
    if _combined((-1, first), (2, second)) != replace(third, tasks=first.tasks):
        raise ValueError(f"form {config.modulation.form!r} does not grow evenly with its groups")
    times = (branches - small) // PERIOD
    return _combined((1 - times, first), (times, second))


def _of_networks(config: TrialConfig, wanted: Counter[int]) -> Forecast:
    period = PERIOD if assemble_model(config).has_masks() else 1
    small = Counter({branches: _reduced(networks, period) for branches, networks in wanted.items()})
    first = forecast_of(with_branches(config, small))
    times = {branches: (networks - small[branches]) // period for branches, networks in wanted.items()}
    more = [
        (steps, forecast_of(with_branches(config, small + Counter({branches: period}))))
        for branches, steps in times.items()
        if steps
    ]
    return _combined((1 - sum(times.values()), first), *more)


def _reduced(number: int, period: int) -> int:
    """Return the number, or a small one that differs from it by a multiple of the period."""
    return number if number < 2 * period else number % period + period


def _combined(*weighted: tuple[int, Forecast]) -> Forecast:
    """Return the weighted sum of the figures that grow; the weights sum to 1. All others are those of the first."""
    first = weighted[0][1]
    return replace(
        first,
        added_parameters=sum(weight * found.added_parameters for weight, found in weighted),
        network_bytes={
            precision: sum(weight * found.network_bytes[precision] for weight, found in weighted)
            for precision in first.network_bytes
        },
        vectors_per_image=sum(weight * found.vectors_per_image for weight, found in weighted),
        image_multiply_adds=sum(weight * found.image_multiply_adds for weight, found in weighted),
    )
