"""Run folders of older versions may contain the password of a tracking address, which is removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from study.definition.secrets import holds_secret, without_secrets
from study.definition.yaml_reader import read_yaml
from study.definition.yaml_writer import write_yaml
from study.errors import UserError
from study.layout import RunFolder
from trainables.foundation.files import write_text_atomically


def take_out_secrets(folder: RunFolder) -> list[Path]:
    """Rewrite the files of a run folder whose tracking address holds a secret, without it; return which they were.

    Raises:
        UserError: such a file cannot be rewritten.
    """
    return [
        path
        for path, read, write in (
            (folder.definition, lambda text: read_yaml("", text), _yaml_text),
            (folder.plan, json.loads, _json_text),
        )
        if _take_out(path, read, write)
    ]


def _take_out(path: Path, read: Callable[[str], Any], write: Callable[[Any], str]) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
        content = read(text) if "uri" in text else None
    except (OSError, ValueError, RecursionError, UserError):  # missing or damaged: reported where it is needed
        return False
    definition = content.get("definition", content) if isinstance(content, dict) else None
    tracking = definition.get("tracking") if isinstance(definition, dict) else None
    uri = tracking.get("uri") if isinstance(tracking, dict) else None
    if not isinstance(tracking, dict) or not isinstance(uri, str) or not holds_secret(uri):
        return False
    tracking["uri"] = without_secrets(uri)
    try:
        write_text_atomically(path, write(content))
    except OSError as error:
        raise UserError(
            f"{path}: contains the login of tracking.uri and cannot be rewritten: {error.strerror}"
        ) from None
    return True


def _yaml_text(content: Any) -> str:
    return write_yaml(content, width=120)


def _json_text(content: Any) -> str:
    return json.dumps(content, indent=1) + "\n"
