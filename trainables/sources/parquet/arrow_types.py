"""Classifies the columns of a Parquet file by type (as opened by ``trainables.sources.parquet.files``)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def is_text(kind: Any) -> bool:
    """Return whether values are text."""
    kind = _stored(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_bytes(kind: Any) -> bool:
    """Return whether values are byte strings of variable length."""
    kind = _stored(kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_number(kind: Any) -> bool:
    """Return whether values are integers, booleans, or numbers that may be integers (pandas stores gaps as NaN)."""
    kind = _stored(kind)
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or may_be_fractions(kind))


def may_be_fractions(kind: Any) -> bool:
    """Return whether a type allows fractions, so that only the values show whether they are integers."""
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def entry_type(kind: Any) -> Any | None:
    """Return the type of a list's entries, None if the type is not a list."""
    return kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else None


def is_image(kind: Any) -> bool:
    """Return whether values are structs with the bytes of a file, as Hugging Face ``datasets`` stores images.

    The bytes have the null type if no image includes them.
    """
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    inner = kind.field("bytes").type
    return is_bytes(inner) or bool(pa.types.is_null(inner))


def whole_numbers(column: Any) -> Any:
    """Return a column of numbers as 64-bit integers, with null for missing numbers.

    Raises:
        pyarrow.ArrowInvalid: a value is not an integer, or does not fit.
    """
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.cast(pa.int64())


def _stored(kind: Any) -> Any:
    """Return the storage type of an extension type (JSON is stored as text)."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
