"""The weights that finished trials keep: files of the run folder, or objects that are fetched while they are used."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from study.errors import UserError, system_error_line
from study.layout import RunFolder
from study.store.working_copy import WorkingCopy, copy_of
from trainables.foundation.objects.requests import StoreError


def trials_with_weights(folder: RunFolder, trials: Iterable[str]) -> frozenset[str]:
    """Return the ids of those trials whose weights are kept, in a store after one listing.

    Raises:
        UserError: the store does not answer.
    """
    copy = _copy(folder)
    if copy is None:
        return frozenset(trial for trial in trials if folder.trial(trial).weights.is_file())
    try:
        stored = copy.files(folder.trials)
    except StoreError as error:
        raise UserError(system_error_line(error)) from error
    return frozenset(trial for trial in trials if folder.trial(trial).weights in stored)


@contextmanager
def weights_at_hand(folder: RunFolder, trial: str) -> Iterator[Path]:
    """Yield the file of a trial's weights; from a store it is fetched for the block, so that no node keeps them all.

    Weights that are gone meanwhile are a file that is not there, as in a folder.

    Raises:
        UserError: the store does not answer.
    """
    place, copy = folder.trial(trial).weights, _copy(folder)
    if copy is None:
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="modstudy-weights-") as held:
        fetched = Path(held, place.name)
        try:
            content = copy.read(place)
        except StoreError as error:
            raise UserError(system_error_line(error)) from error
        if content is not None:
            fetched.write_bytes(content)
        yield fetched


def _copy(folder: RunFolder) -> WorkingCopy | None:
    return copy_of(folder.path) if folder.url else None
