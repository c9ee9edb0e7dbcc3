"""From the data of a page to its HTML: a template that escapes everything, and the code that draws the charts.

Text of users reaches the page in two ways, and is made visible (``plain_text.visible``) in both: through the template,
which escapes all it is given, and as JSON that cannot end its own element. The page's policy allows no script but the
ones written here, by checksum, and no address at all, so that nothing in a name can run or load anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from results.page.comparison.model import ComparisonPage
from results.page.data import PageData
from results.page.library import FOLDER as LIBRARY
from results.page.library import VERSION, library_code
from results.plain_text import visible
from results.report import wording

ASSETS = Path(__file__).parent / "assets"

_SHARED = ("base", "state", "charts", "table")
"""Code of every page; like all code here in the order in which it is run."""

_OF_STUDY = (
    "arms",
    "tradeoff",
    "ranking",
    "tasks",
    "factors",
    "curves",
    "importance",
    "performance",
    "storage",
    "agreement",
    "modulation",
    "numbers",
    "study",
    "start",
)

_OF_COMPARISON = ("comparison", "start")

_DIGITS = 6
"""Significant digits of numbers in the page's data."""


def render_page(page: PageData) -> str:
    """Return the page of a study as HTML that needs no other file."""
    return _rendered("page.html.j2", page, (*_SHARED, *_OF_STUDY))


def render_comparison(page: ComparisonPage) -> str:
    """Return the page of several studies as HTML that needs no other file."""
    return _rendered("comparison.html.j2", page, (*_SHARED, *_OF_COMPARISON))


def _rendered(template: str, page: PageData | ComparisonPage, scripts: tuple[str, ...]) -> str:
    library, own = library_code(), _own_code(scripts)
    return (
        _environment()
        .get_template(template)
        .render(
            page=page,
            data=Markup(page_json(page)),  # noqa: S704 - JSON without any character that HTML knows
            style=Markup((ASSETS / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
            library=Markup(library),  # noqa: S704 - a pinned file
            code=Markup(own),  # noqa: S704 - our own files
            policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            f"script-src {_checksum(library)} {_checksum(own)}; base-uri 'none'; form-action 'none'",
            echarts=VERSION,
            licences=[(name, (LIBRARY / name).read_text(encoding="utf-8")) for name in ("NOTICE", "LICENSE")],
            wording=wording,
        )
    )


def page_json(page: PageData | ComparisonPage) -> str:
    r"""Return the data as JSON in which ``<``, ``>`` and ``&`` are escapes, so that nothing in it is HTML."""
    text = json.dumps(_plain(asdict(page)), allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _plain(value: Any) -> Any:
    """Return nested data with visible texts and short numbers."""
    match value:
        case str():
            return visible(value)
        case float():
            return float(f"{value:.{_DIGITS}g}")
        case dict():
            return {visible(str(key)): _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
    return value


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) or not isinstance(value, str) else visible(value),
    )


@cache
def _own_code(scripts: tuple[str, ...]) -> str:
    parts = [(ASSETS / "js" / f"{name}.js").read_text(encoding="utf-8") for name in scripts]
    return "(function () {\n'use strict';\n" + "\n".join(parts) + "})();\n"


@cache
def _checksum(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
