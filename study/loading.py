"""From a study file to a definition. Every refusal is one line that names the file, the dotted key, value and rule."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from study.definition import StudyDefinition
from study.errors import UserError, nearest
from study.validation import first_problem
from study.yaml_reader import StrictLoader
from trainables.sources import source_section


def built_in_studies() -> dict[str, Traversable]:
    """Return the studies that come with the package, by name."""
    found = (item for item in files("study").joinpath("configs").iterdir() if item.name.endswith(".yaml"))
    return {item.name.removesuffix(".yaml"): item for item in sorted(found, key=lambda item: item.name)}


def load_study(path: Path) -> StudyDefinition:
    """Read a study file, or a built-in study when no file of that name exists.

    Relative paths of ``data.source`` are relative to the study file and come back absolute.

    Args:
        path: the file, or the bare name of a built-in study (``default``, ``smoke``).

    Raises:
        UserError: the file is missing, no YAML, or breaks a rule; the message is one line.
    """
    values = _read_mapping(str(path), _read_text(path))
    _resolve_data_paths(str(path), values, path.absolute().parent)
    return _validate(str(path), values)


def _read_text(path: Path) -> str:
    built_in = built_in_studies()
    source: Path | Traversable = path
    if not path.exists() and str(path) in built_in:
        source = built_in[str(path)]
    try:
        return source.read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = nearest(str(path), built_in) if path.name == str(path) else ""
        raise UserError(f"{path}: no such study file{hint}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _read_mapping(name: str, text: str) -> dict[str, Any]:
    try:
        values = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a SafeLoader that also refuses repeated keys
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(f"{name}: {place}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    if values is None:
        raise UserError(f"{name}: the file is empty; a study needs at least name and data")
    if not isinstance(values, dict):
        raise UserError(f"{name}: expected a mapping of sections (name, data, ...), got {type(values).__name__}")
    return values


def _resolve_data_paths(name: str, values: dict[str, Any], base: Path) -> None:
    """Make the paths of the images absolute; values of a wrong shape are left for the validation to refuse."""
    data = values.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if not isinstance(source, dict):
        return
    try:
        keys = source_section(str(source.get("kind"))).path_keys()
    except ValueError:
        return  # an unknown kind, which the validation words
    for key in keys:
        if isinstance(source.get(key), str):
            try:
                source[key] = str((base / Path(source[key]).expanduser()).resolve())
            except (ValueError, RuntimeError) as error:  # a NUL in it, or the home of a user that is not there
                raise UserError(f"{name}: data.source.{key}: {source[key]!r} is no path: {error}") from None


def _validate(name: str, values: dict[str, Any]) -> StudyDefinition:
    """Validate as JSON, where strict types still allow lists for tuples and text for paths."""
    try:
        text = json.dumps(values, default=str)
    except ValueError:
        raise UserError(f"{name}: an alias (*name) stands inside the value it names") from None
    try:
        return StudyDefinition.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise UserError(f"{name}: {first_problem(error)}") from None


def dump_study(definition: StudyDefinition) -> str:
    """Return the definition as a study file; reading it back gives an equal definition."""
    values = definition.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
