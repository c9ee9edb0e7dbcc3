"""Sessions of SQLAlchemy that insert MLflow's rows of values as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlflow.store.tracking.dbmodels import models
from sqlalchemy import inspect
from sqlalchemy.orm import Session

_NAMES = ("SqlParam", "SqlTag", "SqlMetric", "SqlLatestMetric")
_KINDS = tuple(getattr(models, name) for name in _NAMES if hasattr(models, name))
"""Kinds of rows that no other row depends on; a finished trial has some seventy new ones. Without them nothing is lost
but time."""


class RowSession(Session):
    """A session whose ``add_all`` inserts such rows at once, and does not keep what it would need to follow them.

    MLflow adds them last in a session, and does not change them after. Would a later version do so, ``commit`` stores
    the change.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._inserted: list[tuple[object, dict[str, Any]]] = []

    def add_all(self, instances: Iterable[object]) -> None:
        """Insert rows of these kinds; add other objects."""
        rows = list(instances)
        if not all(isinstance(row, _KINDS) and inspect(row).transient for row in rows):
            super().add_all(rows)
            return
        self.flush()  # what they belong to
        self.bulk_save_objects(rows)
        self._inserted += [(row, dict(vars(row))) for row in rows]

    def commit(self) -> None:
        """Commit, with what has been changed of inserted rows."""
        inserted, self._inserted = self._inserted, []
        for row, as_inserted in inserted:
            if vars(row) != as_inserted:
                self.merge(row)
        super().commit()

    def rollback(self) -> None:
        """Roll back."""
        self._inserted.clear()
        super().rollback()
