"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.arguments import local_place, optional
from study.layout import RUNS

StudyArgument = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study file, a built-in study (default, smoke), or a run folder.")
]


def _as_given(context: typer.Context, parameter: typer.CallbackParam, value: Path) -> Path:
    """Distinguish ``--runs-dir runs``, relative to the current folder, from the default, beside the study file."""
    source = context.get_parameter_source(str(parameter.name))
    given = source is not None and source.name != "DEFAULT"
    return value.resolve() if given and value == RUNS else value


def on_this_machine(_context: typer.Context, parameter: typer.CallbackParam, value: Path | None) -> Path | None:
    """Refuse a URL where only a path is read or written."""
    option = parameter.opts[0]
    return optional(local_place, option if option.startswith("--") else option.upper(), value)


RunsOption = Annotated[
    Path,
    typer.Option(
        "--runs-dir",
        help="Folder of the run folders. Default: runs/ beside the study file (built-in studies: runs/ here).",
        show_default=False,
        callback=_as_given,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Maximum number of concurrent trials; does not affect results.")
]
TrackingOption = Annotated[
    bool, typer.Option("--tracking/--no-tracking", help="Mirror the study to MLflow while it runs.")
]
