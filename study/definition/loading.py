"""From a study file to a definition. Errors are one line that names file, dotted key, value and rule."""

from __future__ import annotations

import json
import logging
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from study.definition.grouping_files import insert_groupings
from study.definition.model import StudyDefinition
from study.definition.renamed_keys import RenamedKey, rename_keys
from study.definition.tracking_address import against
from study.definition.validation import first_problem
from study.definition.yaml_reader import in_quotes, read_text_file, read_yaml, words_in
from study.definition.yaml_writer import write_yaml
from study.errors import UserError
from trainables.foundation.objects.address import address_of
from trainables.foundation.registry import nearest
from trainables.sources.registry import source_section

_LOG = logging.getLogger(__name__)

_EXPECTS_TEXT = re.compile("should be text|expected (task|a) name|unknown (value|activation)")
_PATHS = ("network.weights.path", "network.folder")


def built_in_studies() -> dict[str, Traversable]:
    """Return the studies that come with the package, by name."""
    found = (item for item in files("study").joinpath("configs").iterdir() if item.name.endswith(".yaml"))
    return {item.name.removesuffix(".yaml"): item for item in sorted(found, key=lambda item: item.name)}


def load_study(path: Path) -> StudyDefinition:
    """Read a study file, or a built-in study if no file with that name exists; log a notice for each renamed key.

    Relative paths of images, start weights and network code refer to the study file's folder and become absolute;
    groupings in separate files are returned as groups.

    Args:
        path: the file, or the bare name of a built-in study (``default``, ``smoke``).

    Raises:
        UserError: the file is missing, not YAML, or violates a rule; the message is one line.

    Example:
        >>> load_study(Path("smoke")).data.image_size
        48
    """
    text = _read_text(path)
    for key in _renamed(str(path), _read_mapping(str(path), text)):
        _LOG.warning("%s: %s", path, key.notice)
    return _read(path, text)


def read_study(path: Path) -> StudyDefinition:
    """Read a study file as ``load_study`` does, without notices: for a run folder, which the next run rewrites.

    Raises:
        UserError: as ``load_study``.
    """
    return _read(path, _read_text(path))


def parse_study(path: Path, text: str) -> StudyDefinition:
    """Return the definition in the text of a study file, as if it were at ``path``.

    Raises:
        UserError: as ``load_study``.
    """
    return study_of(str(path), _read_mapping(str(path), text), path.absolute().parent, text)


def study_of(name: str, values: dict[str, Any], base: Path, text: str = "") -> StudyDefinition:
    """Return the definition that the values of a study file give.

    Args:
        name: of the file or the study, for messages.
        values: by section; changed in place.
        base: the folder that relative paths start from.
        text: of the file, for hints about quotes; empty where there is none.

    Raises:
        UserError: as ``load_study``.
    """
    _renamed(name, values)
    _resolve_paths(name, values, base)
    insert_groupings(name, values, base)
    return _validate(name, values, text)


def _read(path: Path, text: str) -> StudyDefinition:
    if _is_built_in(path) and needs_data(_read_mapping(str(path), text)):
        raise UserError(
            f"{path}: this study needs your own images; make a copy that names their folder: "
            f"modstudy new {path} my-{path}.yaml --data FOLDER"
        )
    return parse_study(path, text)


def _renamed(name: str, values: dict[str, Any]) -> list[RenamedKey]:
    try:
        return rename_keys(values)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None


def needs_data(values: dict[str, Any]) -> bool:
    """Return whether a built-in study does not name the location of its images."""
    source = values["data"]["source"]
    return source["kind"] != "generated" and "path" not in source


def _is_built_in(path: Path) -> bool:
    return not path.exists() and str(path) in built_in_studies()


def _read_text(path: Path) -> str:
    built_in = built_in_studies()
    source = built_in[str(path)] if _is_built_in(path) else path
    try:
        return read_text_file(str(path), source)
    except FileNotFoundError:
        hint = nearest(str(path), sorted(built_in)) if path.name == str(path) else ""
        raise UserError(f"{path}: no such study file{hint}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _read_mapping(name: str, text: str) -> dict[str, Any]:
    values = read_yaml(name, text)
    if values is None:
        raise UserError(f"{name}: the file is empty; a study needs at least name and data")
    if not isinstance(values, dict):
        table = name.endswith((".csv", ".tsv"))
        hint = f"; for a table of images: modstudy new STUDY.yaml --data {name}" if table else ""
        raise UserError(f"{name}: expected a mapping of sections (name, data, ...), got {type(values).__name__}{hint}")
    return values


def _resolve_paths(name: str, values: dict[str, Any], base: Path) -> None:
    """Make a study's paths absolute; values of the wrong shape are left to validation.

    A network's code is searched for beside the study file unless the file names its folder.
    """
    network = values.get("network")
    if isinstance(network, dict) and ":" in str(network.get("backbone")):
        network.setdefault("folder", ".")
    tracking = values.get("tracking")
    if isinstance(tracking, dict) and isinstance(tracking.get("uri"), str):
        tracking["uri"] = against(base, tracking["uri"])
    of_source = _source_paths(values)
    for key in (*_PATHS, *of_source):
        *sections, last = key.split(".")
        section: Any = values
        for part in sections:
            section = section.get(part) if isinstance(section, dict) else None
        place = section.get(last) if isinstance(section, dict) else None
        if isinstance(place, str) and not (key in of_source and address_of(place)):
            section[last] = _resolved(f"{name}: {key}", place, base)
    search = values.get("search")
    if isinstance(search, dict) and isinstance(runs := search.get("warm_start"), list):
        key = f"{name}: search.warm_start"
        search["warm_start"] = [
            _resolved(key, run, base) if isinstance(run, str) and not address_of(run) else run for run in runs
        ]


def _resolved(key: str, path: str, base: Path) -> str:
    if address_of(path):
        raise UserError(f"{key}: {path} is a URL; name a path, which every node that trains must have")
    try:
        return str((base / Path(path).expanduser()).resolve())
    except (ValueError, RuntimeError) as error:  # a NUL in it, or the home of a user that is not there
        raise UserError(f"{key}: {path!r} is not a path: {error}") from None


def _source_paths(values: dict[str, Any]) -> list[str]:
    """Return the keys of the image source that are paths; none for an unknown kind, which validation reports."""
    data = values.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if not isinstance(source, dict):
        return []
    try:
        return [f"data.source.{key}" for key in source_section(str(source.get("kind"))).path_keys()]
    except ValueError:
        return []


def _validate(name: str, values: dict[str, Any], text: str) -> StudyDefinition:
    """Validate as JSON, in which strict types still accept lists for tuples and text for paths."""
    try:
        return StudyDefinition.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        problem = first_problem(error)
        raise UserError(f"{name}: {problem}{_quote_hint(name, text, problem)}") from None


def _quote_hint(name: str, text: str, problem: str) -> str:
    """Return a hint if text was expected but YAML reads the word as something else."""
    if not (text and _EXPECTS_TEXT.search(problem)):
        return ""
    hints = (in_quotes(word) for word in words_in(name, text, problem.partition(": ")[0]))
    return next((hint for hint in hints if hint), "")


def dump_study(definition: StudyDefinition) -> str:
    """Return the definition as a study file; reading it back gives an equal definition."""
    values = definition.model_dump(mode="json", exclude_unset=True)
    rename_keys(values)
    return write_yaml(values, width=120)
