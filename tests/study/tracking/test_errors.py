"""What errors of a store mean for the user of a study."""

from __future__ import annotations

import pytest
from mlflow.exceptions import RestException

from study.definition.tracking_address import StoreAddress
from study.tracking.errors import StoreConflictError, StoreRefusedError, explained


@pytest.mark.parametrize(
    ("quoted", "tried_again"),
    [
        ("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name", True),
        ('(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"', True),
        ("(psycopg2.errors.DeadlockDetected) deadlock detected", True),
        ("(psycopg.errors.UndefinedTable) relation runs does not exist", False),
    ],
)
def test_what_two_wrote_at_once_on_a_server_is_tried_again(quoted, tried_again):
    error = explained(
        RestException({"error_code": "BAD_REQUEST", "message": quoted}),
        StoreAddress("http://mlflow:5000", "a test", None),
    )
    assert isinstance(error, StoreRefusedError)
    assert isinstance(error, StoreConflictError) == tried_again
