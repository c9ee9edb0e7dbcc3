"""Faults of packs and indexes as errors that a user can fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from study.errors import UserError


@contextmanager
def told_to_the_user() -> Iterator[None]:
    """Raise the faults of packs and indexes in the block as ``UserError``, in the same words."""
    from trainables.index import IndexFault
    from trainables.packs import PackError

    try:
        yield
    except (IndexFault, PackError) as error:
        raise UserError(str(error)) from error
