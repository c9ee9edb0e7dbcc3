"""The command line. Every command imports its work when it is called, so that help is quick."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from study.definition.secrets import redact
from study.errors import UserError, system_error_line
from study.interruption import EXIT_INTERRUPTED, hear_signals_in_the_whole_process
from study.layout import RUNS
from study.terminal.display import complain

EXIT_USER_ERROR = 2


class StudyGroup(TyperGroup):
    """Says what the user can put right in one line, and ends quietly on Ctrl-C. Bugs of ours still crash."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            complain(f"error: {redact(str(error))}")
            ctx.exit(EXIT_USER_ERROR)
        except BrokenPipeError:  # the reader of our output has seen enough
            raise
        except OSError as error:  # a disk that is full, a folder that may not be written: the user's to put right
            complain(f"error: {redact(system_error_line(error))}")
            ctx.exit(EXIT_USER_ERROR)
        except KeyboardInterrupt:
            typer.echo("interrupted; nothing is lost", err=True)
            ctx.exit(EXIT_INTERRUPTED)


app = typer.Typer(
    cls=StudyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Where should task-specific modulation go, how should it start, which tasks should share it, and what does "
    "each added parameter buy? Start with: modstudy run default",
)

StudyArgument = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study file, a built-in study (default, smoke), or a run's folder.")
]


def _as_given(context: typer.Context, parameter: typer.CallbackParam, value: Path) -> Path:
    """Tell ``--runs-dir runs``, which means this very folder, from the default, which means the study file's."""
    source = context.get_parameter_source(str(parameter.name))
    given = source is not None and source.name != "DEFAULT"
    return value.resolve() if given and value == RUNS else value


RunsOption = Annotated[
    Path,
    typer.Option(
        "--runs-dir",
        help="Where the folders of runs lie; by default runs/ beside the study file (built-in studies: here).",
        show_default=False,
        callback=_as_given,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog="Example: modstudy plan study.yaml --probe")
def plan(
    study: StudyArgument,
    probe: Annotated[bool, typer.Option("--probe", help="Time a few steps of every arm.")] = False,
    as_json: JsonOption = False,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Show arms, trials, added parameters, disk and expected time, and train nothing."""
    from study.commands.plan import show_plan

    show_plan(study, runs_dir, probe=probe, as_json=as_json)


@app.command(epilog="Example: modstudy run study.yaml --address auto --workers 32")
def run(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    study: StudyArgument,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster (auto: the one running here); by default one on this machine.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at once at most; never changes a result.")] = None,
    tracking: Annotated[bool, typer.Option("--tracking/--no-tracking", help="Keep MLflow up to date.")] = True,
    retrain: Annotated[
        bool,
        typer.Option("--retrain", help="Train again what an older version trained, or what lacks its monitoring."),
    ] = False,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Run what is missing of a study, and report it. Stop with Ctrl-C; the same command goes on."""
    from study.commands.run import RunCommand
    from study.commands.run import run as run_command

    raise typer.Exit(run_command(RunCommand(study, runs_dir, address, workers, tracking, retrain)))


@app.command(epilog="Example: modstudy status runs/default")
def status(study: StudyArgument, as_json: JsonOption = False, runs_dir: RunsOption = RUNS) -> None:
    """Show what is done, running, waiting and failed, and why."""
    from study.commands.status import show_status

    show_status(study, runs_dir, as_json=as_json)


@app.command(epilog="Example: modstudy collect runs/default")
def collect(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Write the Parquet tables from the journals; also while the study runs."""
    from study.commands.results import collect_run

    collect_run(study, runs_dir)


@app.command(epilog="Example: modstudy sync runs/default")
def sync(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Bring MLflow up to date with the journals; doing it twice changes nothing."""
    from study.commands.results import sync_run

    sync_run(study, runs_dir)


@app.command(epilog="Example: modstudy report runs/default")
def report(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Collect, write report.md with table and figures, and print the trade-off table."""
    from study.commands.results import report_run

    report_run(study, runs_dir)


@app.command(epilog="Example: modstudy ui runs/default")
def ui(
    study: StudyArgument,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port on this machine; by default one that is free.")
    ] = None,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Open MLflow on a run: print links to the tree of runs and to the arms compared. Stop with Ctrl-C."""
    from study.commands.ui import open_mlflow

    open_mlflow(study, runs_dir, port)


class DataGroup(TyperGroup):
    """``modstudy data STUDY`` is ``modstudy data show STUDY``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take ``show`` where no command is named."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


data = typer.Typer(
    cls=DataGroup,
    no_args_is_help=True,
    context_settings={"ignore_unknown_options": True},  # options of ``show`` may stand before the study
    help="What images and labels hold. Without a command: show. Example: modstudy data study.yaml",
)
app.add_typer(data, name="data")


@data.command(epilog="Example: modstudy data show study.yaml")
def show(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Show what the images and labels of a study hold: counts by class, unlabelled, corrupt."""
    from study.commands.data import show_data

    show_data(study, runs_dir)


@data.command(epilog="Example: modstudy data check study.yaml")
def check(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A study file, or a folder of data whose kind is found by looking.")
    ],
    runs_dir: RunsOption = RUNS,
) -> None:
    """Say what must be put right before a study on this data starts (then exit 1), and what to know of it."""
    from study.commands.data_check import check_data

    raise typer.Exit(check_data(source, runs_dir))


@app.command(epilog="Example: modstudy new shoes.yaml --data ~/shoes")
def new(
    first: Annotated[
        str,
        typer.Argument(
            metavar="FILE|BUILT-IN",
            help="The study file to write for the images in --data; or a built-in study to copy to the next argument.",
        ),
    ],
    copy: Annotated[
        Path | None, typer.Argument(metavar="COPY", help="The study file to write from a built-in study.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Where the images lie: a folder, or a CSV file that names them.")
    ] = None,
) -> None:
    """Write a study file of your own: from a look at your images, or from a built-in study."""
    from study.commands.new import new_study

    new_study(first, copy, data)


@app.command(epilog="Example: modstudy affinity study.yaml --out groupings.yaml")
def affinity(
    study: StudyArgument,
    out: Annotated[
        Path | None, typer.Option(help="File to write; a heat map is put beside it. By default in the run's folder.")
    ] = None,
    every_steps: Annotated[int, typer.Option(min=1, help="Measure in every N-th step of the shared training.")] = 10,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Train one shared network, measure which tasks help each other, and choose groupings for the next study."""
    from study.commands.affinity import show_affinity

    raise typer.Exit(show_affinity(study, runs_dir, out, every_steps))


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):  # where the terminal's encoding lacks a character, its escape is printed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    hear_signals_in_the_whole_process()
    app()
