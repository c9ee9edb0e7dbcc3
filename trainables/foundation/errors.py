"""What an error is about, put before its message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def error_context(place: str) -> Iterator[None]:
    """Put a file, row or key before the message of every ``ValueError`` raised inside."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
