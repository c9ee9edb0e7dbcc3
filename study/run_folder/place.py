"""Finds the run folder at a path or a URL."""

from __future__ import annotations

from pathlib import Path

from study.errors import UserError, system_error_line
from study.layout import RunFolder, dataset_cache
from study.store.working_copy import copy_of, open_copy
from trainables.foundation.objects.address import address_of
from trainables.foundation.objects.requests import StoreError


def run_folder_at(place: Path) -> RunFolder:
    """Return the run folder at a path, or this machine's copy of a study at a URL, as it is in the store now.

    Raises:
        UserError: the store cannot be used.
    """
    url = address_of(place)
    if url is None:
        return RunFolder(place.expanduser().resolve())
    return refreshed(RunFolder(open_copy(url, "reader", dataset_cache()).path, url))


def refreshed(folder: RunFolder) -> RunFolder:
    """Return the run folder after fetching what is new in its store, if it is in one.

    Raises:
        UserError: the store does not answer.
    """
    if folder.url and (copy := copy_of(folder.path)):
        try:
            copy.fetch()
        except StoreError as error:
            raise UserError(system_error_line(error)) from error
    return folder
