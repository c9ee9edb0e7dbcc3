"""The commands below ``modstudy data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from study.commands.arguments import RunsOption, StudyArgument
from study.layout import RUNS


class DataGroup(TyperGroup):
    """``modstudy data STUDY`` is ``modstudy data show STUDY``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Use ``show`` if no command is named."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


data_group = typer.Typer(
    cls=DataGroup,
    no_args_is_help=True,
    context_settings={"ignore_unknown_options": True},  # options of ``show`` may precede the study
    help="Inspect images and labels. Default command: show. Example: modstudy data study.yaml",
)


@data_group.command(epilog="Example: modstudy data show study.yaml")
def show(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Count the images of a study by class, unlabelled and corrupt ones included."""
    from study.commands.images.show import show_data

    show_data(study, runs_dir)


@data_group.command(epilog="Example: modstudy data check study.yaml")
def check(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A study file, or a data folder, whose kind is detected.")
    ],
    runs_dir: RunsOption = RUNS,
) -> None:
    """Check data for a study. Exit with status 1 if something must be fixed first."""
    from study.commands.images.check import check_data

    raise typer.Exit(check_data(source, runs_dir))
