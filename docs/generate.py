"""Writes the generated parts of the pages: those between ``<!-- generated: NAME -->`` and ``<!-- end -->``.

``python docs/generate.py`` rewrites the pages in place. A test compares the committed pages with ``pages()``.
"""  # noqa: INP001 - a script beside the pages, no package

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from generate_forms import count_rows, form_names, form_rows
from generate_study import DEVIATIONS, RANKING, SHARES, deviation_rows, gap_shares, needed_rows, ranking
from pydantic.fields import FieldInfo

from results.tables.metrics import HEADLINE_METRICS, TASK_METRICS
from results.tables.schema import TABLES
from search_spaces.catalog import CATALOG
from search_spaces.factors.forms import ACTIVATIONS
from search_spaces.factors.grouping import GROUPINGS
from search_spaces.factors.initialization import KINDS, PUBLISHED
from search_spaces.factors.placement import PLACEMENTS
from search_spaces.nuisance import NUISANCE, WRITTEN
from study.definition.model import StudyDefinition
from trainables.config.network import NetworkConfig
from trainables.foundation.section import Section
from trainables.networks.backbones import BACKBONES, stage_shapes
from trainables.networks.modulation import FORMS
from trainables.sources.faces.attributes import FACE_TASKS
from trainables.sources.registry import SOURCES, source_section
from trainables.sources.source import SourceConfig

DOCS = Path(__file__).resolve().parent
SET_BY_THE_STUDY = {"evaluation.splits", "evaluation.rung_metric", "compute.threads", "balancing.method"}
"""Keys of a trial that a study file must not hold."""

_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_RULES = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "min_length": "{} or more entries",
}
_DEFAULTS = {"space": "`default`", "data.source.kind": "`generated`"}
_INITIALIZATIONS = {
    "ones": "1 everywhere: the arm starts as the network without modulation",
    "constant": "one value everywhere",
    "normal": "independent draws from a normal distribution",
    "uniform": "independent draws from `low` to `high`",
    "disjoint": "1 in the group's own block of channels, `off` elsewhere",
    "binary": "1 in a random share `keep` of a group's channels, 0 elsewhere",
}
_PLURALS = {str: "texts", int: "whole numbers", float: "numbers"}
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(header), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def code(values: Iterable[Any]) -> str:
    """Return values as code, comma separated."""
    return ", ".join(f"`{value}`" for value in values)


def sections_of(annotation: Any) -> list[type[Section]]:
    """Return the models an annotation may stand for."""
    if annotation is SourceConfig:
        return [source_section(kind) for kind in SOURCES]
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for argument in get_args(annotation) for section in sections_of(argument)]


def keys_of(model: type[Section], prefix: str = "") -> dict[str, list[FieldInfo]]:
    """Return every key a study file may hold, dotted; several fields where a section is one of several kinds."""
    found: dict[str, list[FieldInfo]] = {}
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if key in SET_BY_THE_STUDY:
            continue
        sections = sections_of(field.annotation)
        if not sections or type(None) in get_args(field.annotation):
            found[key] = [field]
        inside = f"{key}.COLUMN." if get_origin(field.annotation) is dict else f"{key}."
        for section in sections:
            for inner, fields in keys_of(section, inside).items():
                found.setdefault(inner, []).extend(fields)
    return found


def type_name(annotation: Any) -> str:
    """Return the type of a key in the words of a study file."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return code(arguments)
    if origin is tuple:
        return f"list of {_PLURALS[arguments[0]]}"
    if origin is dict:
        return "mapping"
    if origin in (Union, types.UnionType):
        return " or ".join("empty" if argument is type(None) else type_name(argument) for argument in arguments)
    if sections_of(annotation):
        return "section"
    return _WORDS.get(annotation, "see below")


def rules(field: FieldInfo) -> str:
    """Return the bounds of a key's values."""
    parts = [(name, part) for part in field.metadata for name in _RULES if hasattr(part, name)]
    return "".join(f", {_RULES[name].format(getattr(part, name))}" for name, part in parts)


def default_text(key: str, field: FieldInfo) -> str:
    """Return the default of a key as it would be written."""
    if key in _DEFAULTS:
        return _DEFAULTS[key]
    if field.is_required():
        return "required"
    if field.default is None:
        return "empty"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "empty text"


def study_keys() -> str:
    """Return the table of every key of a study file.

    Raises:
        ValueError: a key without a meaning, or a meaning without a key.
    """
    meanings: dict[str, str] = yaml.safe_load((DOCS / "study-file-keys.yaml").read_text(encoding="utf-8"))
    keys = keys_of(StudyDefinition)
    if keys.keys() != meanings.keys():
        raise ValueError(f"docs/study-file-keys.yaml: keys differ: {sorted(keys.keys() ^ meanings.keys())}")
    return table(
        ("key", "type", "default", "meaning"),
        (
            (
                f"`{key}`",
                " or ".join(dict.fromkeys(type_name(field.annotation) for field in fields)) + rules(fields[0]),
                default_text(key, fields[0]),
                meanings[key],
            )
            for key, fields in keys.items()
        ),
    )


def placements() -> str:
    """Return the named placements with what they mean on ``simplenet``."""
    stages = tuple(shape.name for shape in stage_shapes(NetworkConfig(), 150))
    rows = (
        (f"`{name}`", "; ".join(",".join(points) or "no stage" for points in rule(stages)))
        for name, rule in PLACEMENTS.items()
    )
    return table(("placement", "arms on `simplenet` (stages that carry modulation)"), rows)


def initializations() -> str:
    """Return the kinds of initialization with their numbers, and the published ones."""
    kinds = (
        (f"`{kind}({','.join(start.numbers())})`" if start.numbers() else f"`{kind}`", _INITIALIZATIONS[kind])
        for kind, start in KINDS.items()
    )
    published = (
        (f"`{name}`", f"`{level.name}`" + (f" with activation `{level.activation}`" if level.activation else ""))
        for name, level in PUBLISHED.items()
    )
    return table(("initialization", "how vectors start"), (*kinds, *published))


def nuisance() -> str:
    """Return the nuisance hyperparameters and where their values go."""
    rows = (
        (
            f"`{name}`",
            "whole numbers" if rule.whole else "numbers",
            f"{'above' if rule.above else 'at least'} {rule.minimum:g}",
            f"`{rule.key}`",
        )
        for name, rule in ((written, NUISANCE[recorded]) for written, recorded in WRITTEN.items())
    )
    return table(("name", "values", "rule", "replaces"), rows)


def catalog() -> str:
    """Return the named spaces with their arms on ``simplenet``."""
    stages = tuple(shape.name for shape in stage_shapes(NetworkConfig(), 150))
    rows = []
    for name, space in CATALOG.items():
        arms = space.arms(stages, ("a", "b"), FORMS)
        ranges = (
            yaml.safe_dump({key: values.model_dump(mode="json")}, default_flow_style=True, sort_keys=False).strip()[
                1:-1
            ]
            for key, values in space.nuisance.items()
        )
        rows.append((f"`{name}`", str(len(arms)), code(arm.name for arm in arms), code(ranges)))
    return table(("space", "arms", "their names", "nuisance ranges"), rows)


def metrics() -> str:
    """Return the task metrics with unit and direction."""
    rows = ((f"`{m.name}`", m.meaning, "yes" if m.name in HEADLINE_METRICS else "") for m in TASK_METRICS.values())
    return table(("metric", "meaning", "in `summary`"), rows)


def tables() -> str:
    """Return every table with all its columns."""
    parts = []
    for spec in TABLES.values():
        key = f"Rows are told apart by {code(spec.key)}." if spec.key else "Rows have no key."
        rows = (
            (
                f"`{column.name}`",
                column.type,
                column.unit or "",
                "yes" if column.nullable else "",
                column.meaning + (f" ({code(column.allowed)})" if column.allowed else ""),
            )
            for column in spec.columns
        )
        parts.append(f"### {spec.name}\n\n{spec.meaning[0].upper()}{spec.meaning[1:]}. {key}\n\n")
        parts.append(table(("column", "type", "unit", "may be empty", "meaning"), rows) + "\n")
    return "".join(parts).rstrip("\n") + "\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "study-keys": study_keys,
    "backbones": lambda: code(BACKBONES) + "\n",
    "placements": placements,
    "initializations": initializations,
    "forms": lambda: f"`form`: {code(form_names())}. `activation`: {code(ACTIVATIONS)}.\n",
    "forms-table": lambda: table(("form", "acts", "what it is, and where it comes from"), form_rows()),
    "forms-counts": lambda: table(("form", "stages", "a task", *(f"{n} tasks" for n in (7, 20, 40))), count_rows()),
    "groupings": lambda: code(GROUPINGS) + "\n",
    "nuisance": nuisance,
    "catalog": catalog,
    "face-tasks": lambda: table(
        ("task", "classes"), ((f"`{task}`", ", ".join(names)) for task, names in FACE_TASKS.items())
    ),
    "metrics": metrics,
    "tables": tables,
    "deviations": lambda: table(DEVIATIONS, deviation_rows(DOCS / "studies")),
    "needed": lambda: table(*needed_rows(DOCS / "studies")),
}


def page_text(path: Path) -> str:
    """Return a page with its generated parts regenerated; a study's come from the files beside it."""
    own = {
        "answer": lambda: (path.parent / "answer.txt").read_text(encoding="utf-8"),
        "training": lambda: (path.parent / "training.txt").read_text(encoding="utf-8"),
        "ranking": lambda: table(RANKING, ranking(path.parent)),
        "gap-shares": lambda: table(SHARES, gap_shares(path.parent)),
    }
    blocks = BLOCKS | own
    text = path.read_text(encoding="utf-8")
    return _BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found['name']]()}\n{found[3]}", text)


def pages() -> dict[Path, str]:
    """Return the text that every page should have."""
    return {path: page_text(path) for path in sorted([*DOCS.glob("*.md"), *DOCS.glob("studies/*/*.md")])}


if __name__ == "__main__":
    for place, content in pages().items():
        place.write_text(content, encoding="utf-8")
