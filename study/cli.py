"""The command line. Each command imports its implementation when called, so that help is fast."""

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
    """Reports errors that the user can fix in one line and exits quietly on Ctrl-C; bugs still crash."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            complain(f"error: {redact(str(error))}")
            ctx.exit(EXIT_USER_ERROR)
        except BrokenPipeError:  # the reader of our output has stopped reading
            raise
        except OSError as error:  # a full disk, a folder that is not writable: the user can fix it
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
    help="Study where to place task-specific modulation in a retrieval network, how to initialize it, which tasks "
    "should share it, and what each added parameter buys. To start: modstudy run default",
)

StudyArgument = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study file, a built-in study (default, smoke), or a run folder.")
]


def _as_given(context: typer.Context, parameter: typer.CallbackParam, value: Path) -> Path:
    """Distinguish ``--runs-dir runs``, relative to the current folder, from the default, beside the study file."""
    source = context.get_parameter_source(str(parameter.name))
    given = source is not None and source.name != "DEFAULT"
    return value.resolve() if given and value == RUNS else value


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


@app.command(epilog="Example: modstudy plan study.yaml --probe")
def plan(
    study: StudyArgument,
    probe: Annotated[bool, typer.Option("--probe", help="Time a few training steps of every arm.")] = False,
    as_json: JsonOption = False,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Show arms, trials, added parameters, disk space and estimated time, without training."""
    from study.commands.plan import show_plan

    show_plan(study, runs_dir, probe=probe, as_json=as_json)


@app.command(epilog="Example: modstudy run study.yaml --address auto --workers 32")
def run(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    study: StudyArgument,
    address: Annotated[
        str | None,
        typer.Option(help="Address of a Ray cluster (auto: the one running here). Default: start Ray on this machine."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of concurrent trials; does not affect results.")
    ] = None,
    tracking: Annotated[
        bool, typer.Option("--tracking/--no-tracking", help="Mirror the study to MLflow while it runs.")
    ] = True,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="Retrain trials of an older results version, whose monitoring is missing, or that did not fit a GPU.",
        ),
    ] = False,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Run a study's remaining trials and write the report. Ctrl-C stops; rerun the command to resume."""
    from study.commands.run import RunCommand
    from study.commands.run import run as run_command

    raise typer.Exit(run_command(RunCommand(study, runs_dir, address, workers, tracking, retrain)))


@app.command(epilog="Example: modstudy status runs/default")
def status(study: StudyArgument, as_json: JsonOption = False, runs_dir: RunsOption = RUNS) -> None:
    """Show which trials are done, running, waiting or failed, and why."""
    from study.commands.status import show_status

    show_status(study, runs_dir, as_json=as_json)


@app.command(epilog="Example: modstudy collect runs/default")
def collect(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Write the Parquet tables from the journals, also while the study runs."""
    from study.commands.results import collect_run

    collect_run(study, runs_dir)


@app.command(epilog="Example: modstudy sync runs/default")
def sync(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Bring MLflow up to date with the journals; safe to repeat."""
    from study.commands.results import sync_run

    sync_run(study, runs_dir)


@app.command(epilog="Example: modstudy report runs/default")
def report(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Collect the tables, write report.md with figures, and print the trade-off table."""
    from study.commands.results import report_run

    report_run(study, runs_dir)


@app.command(epilog="Example: modstudy ui runs/default")
def ui(
    study: StudyArgument,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on this machine. Default: a free port.")
    ] = None,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Start MLflow for a run and print links to its run tree and arm comparison. Ctrl-C stops it."""
    from study.commands.ui import open_mlflow

    open_mlflow(study, runs_dir, port)


class DataGroup(TyperGroup):
    """``modstudy data STUDY`` is ``modstudy data show STUDY``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Use ``show`` if no command is named."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


data = typer.Typer(
    cls=DataGroup,
    no_args_is_help=True,
    context_settings={"ignore_unknown_options": True},  # options of ``show`` may precede the study
    help="Inspect images and labels. Default command: show. Example: modstudy data study.yaml",
)
app.add_typer(data, name="data")


@data.command(epilog="Example: modstudy data show study.yaml")
def show(study: StudyArgument, runs_dir: RunsOption = RUNS) -> None:
    """Count the images of a study by class, unlabelled and corrupt ones included."""
    from study.commands.data import show_data

    show_data(study, runs_dir)


@data.command(epilog="Example: modstudy data check study.yaml")
def check(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A study file, or a data folder, whose kind is detected.")
    ],
    runs_dir: RunsOption = RUNS,
) -> None:
    """Check data for a study. Exit with status 1 if something must be fixed first."""
    from study.commands.data_check import check_data

    raise typer.Exit(check_data(source, runs_dir))


@app.command(epilog="Example: modstudy new shoes.yaml --data ~/shoes")
def new(
    first: Annotated[
        str,
        typer.Argument(
            metavar="FILE|BUILT-IN",
            help="Study file to write for the images in --data, or built-in study to copy to the next argument.",
        ),
    ],
    copy: Annotated[
        Path | None, typer.Argument(metavar="COPY", help="Study file to write from a built-in study.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Location of the images: a folder, or a CSV file that lists them.")
    ] = None,
) -> None:
    """Write a study file, either for your images or as a copy of a built-in study."""
    from study.commands.new import new_study

    new_study(first, copy, data)


@app.command(epilog="Example: modstudy affinity study.yaml --out groupings.yaml")
def affinity(
    study: StudyArgument,
    out: Annotated[
        Path | None, typer.Option(help="File to write, with a heat map beside it. Default: in the run folder.")
    ] = None,
    every_steps: Annotated[int, typer.Option(min=1, help="Measure every N-th step of the shared training.")] = 10,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Train one shared network, measure which tasks help each other, and select groupings for the next study."""
    from study.commands.affinity import show_affinity

    raise typer.Exit(show_affinity(study, runs_dir, out, every_steps))


def note_untested_system() -> None:
    """Print a line on standard error where the tests never ran: on anything but Linux."""
    if sys.platform != "linux":
        sys.stderr.write(f"note: modulation-study is tested on Linux only, and this is {sys.platform}\n")


def main() -> None:
    """Run the command line."""
    note_untested_system()
    for stream in (sys.stdout, sys.stderr):  # characters that the terminal cannot encode are printed as escapes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    hear_signals_in_the_whole_process()
    app()
