"""What a column of a Parquet file can be used for, told from its type (as ``parquet_files`` opens it)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def is_text(kind: Any) -> bool:
    """Return whether values are text."""
    kind = _stored(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_bytes(kind: Any) -> bool:
    """Return whether values are any number of bytes."""
    kind = _stored(kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_number(kind: Any) -> bool:
    """Return whether values are whole numbers, booleans, or numbers that may be whole (pandas stores gaps as NaN)."""
    kind = _stored(kind)
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or may_be_fractions(kind))


def may_be_fractions(kind: Any) -> bool:
    """Return whether only the values tell if they are whole."""
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def entry_type(kind: Any) -> Any | None:
    """Return the type of a list's entries, None where a type is no list."""
    return kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else None


def is_image(kind: Any) -> bool:
    """Return whether values are structures with the bytes of a file, as Hugging Face ``datasets`` stores images.

    Where none of the images brought its bytes, these have no type.
    """
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    inner = kind.field("bytes").type
    return is_bytes(inner) or bool(pa.types.is_null(inner))


def whole_numbers(column: Any) -> Any:
    """Return a column of numbers as 64-bit integers, null where there is no number.

    Raises:
        pyarrow.ArrowInvalid: a value is not whole, or does not fit.
    """
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.cast(pa.int64())


def _stored(kind: Any) -> Any:
    """Return what lies below a type with a meaning (JSON is text)."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
