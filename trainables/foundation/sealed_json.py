"""JSON objects that end with a checksum of their text, so that a damaged one is not mistaken for another value.

The checksum is CRC-32: it detects all error bursts of up to 32 bits, and misses one in four billion other errors.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

_SEAL = re.compile(rb',"crc32":"([0-9a-f]{8})"\}\s*\Z')


def seal(document: Mapping[str, Any]) -> str:
    """Return an object with at least one key as JSON on one line, with its checksum at the end.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return f'{text[:-1]},"crc32":"{zlib.crc32(text.encode()):08x}"}}'


def is_sealed(text: bytes) -> bool:
    """Return whether the text ends with a checksum, valid or not."""
    return _SEAL.search(text) is not None


def read_object(text: bytes) -> dict[str, Any]:
    """Return the object in a text, without its checksum; an unsealed one is parsed as strictly as possible.

    Raises:
        ValueError: not a JSON object, nested too deeply, a non-finite number, a duplicate key, or a checksum that does
            not match the text.
    """
    found = _SEAL.search(text)
    try:
        if found is None:
            document = json.loads(text, parse_constant=_refuse, object_pairs_hook=_distinct)
        else:
            content = text[: found.start()] + b"}"
            if zlib.crc32(content) != int(found[1], 16):
                raise ValueError("the checksum does not match")
            document = json.loads(content)
        if b"\\ud" in text:  # half of a surrogate pair, which no table can store
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, got {type(document).__name__}")  # noqa: TRY004 - damage, not misuse
    return document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found
