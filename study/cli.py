"""The command line. Each command imports its implementation when called, so that help is fast."""

from __future__ import annotations

import gc
import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from study.commands.arguments import (
    JsonOption,
    RunsOption,
    StudyArgument,
    TrackingOption,
    WorkersOption,
    on_this_machine,
)
from study.commands.images.group import data_group
from study.commands.packs.command import export
from study.commands.retrieval.group import add_retrieval
from study.commands.serve import serve
from study.definition.secrets import redact
from study.errors import UserError, system_error_line
from study.interruption import EXIT_INTERRUPTED, hear_signals_in_the_whole_process, keeping_the_exit_status
from study.layout import RUNS
from study.terminal.display import complain

EXIT_USER_ERROR = 2

_COLLECTOR = (50_000, 10, 10)
"""Allocations between two passes of the garbage collector. Commands make millions of objects that live to the end, and
by Python's default of 700 the passes over them take a third of the time of ``status`` on 10,000 trials."""


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
    workers: WorkersOption = None,
    tracking: TrackingOption = True,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="Retrain trials of an older results version, whose monitoring is missing, or that are infeasible.",
        ),
    ] = False,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Run a study's remaining trials and write the report. Ctrl-C stops; rerun the command to resume."""
    from study.commands.run import RunCommand
    from study.commands.run import run as run_command

    raise typer.Exit(run_command(RunCommand(study, runs_dir, address, workers, tracking, retrain)))


@app.command(epilog="Example: modstudy submit study.yaml --address http://head:8265 --runs-dir /shared/runs")
def submit(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    study: StudyArgument,
    address: Annotated[str, typer.Option(help="Dashboard of the cluster's head, such as http://head:8265.")],
    runs_dir: Annotated[
        Path,
        typer.Option("--runs-dir", help="Folder of the run folders: an absolute path that all nodes share, or a URL."),
    ],
    workers: WorkersOption = None,
    tracking: TrackingOption = True,
    wheel: Annotated[
        Path | None, typer.Option(help="Wheel of this project to run the job from. Default: what the nodes have.")
    ] = None,
) -> None:
    """Let a Ray cluster run a study as a job, which outlasts this machine. Submit it again to resume."""
    from study.commands.submit import SubmitCommand
    from study.commands.submit import submit as submit_command

    submit_command(SubmitCommand(study, address, runs_dir, workers, tracking, wheel))


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
def report(
    study: StudyArgument,
    live: Annotated[
        bool, typer.Option("--live", help="Write it again whenever a trial has ended, until the study is complete.")
    ] = False,
    images: Annotated[
        bool | None,
        typer.Option(
            "--images/--no-images",
            help="Show retrieved test images on the page. Default: only those that this project generated.",
        ),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(help="Points of the best within which the cheapest arm is looked for. Default: 0.01."),
    ] = None,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Collect the tables, write report.html, report.md and figures, and print the answer and the trade-off table."""
    from study.commands.results import report_live, report_run

    (report_live if live else report_run)(study, runs_dir, images=images, within=within)


@app.command(epilog="Example: modstudy compare runs/shoes --arms late all")
def compare(
    studies: Annotated[
        list[Path], typer.Argument(metavar="STUDY...", help="Studies or run folders to put side by side.")
    ],
    arms: Annotated[
        tuple[str, str] | None,
        typer.Option("--arms", metavar="A B", help="Compare two arms of each study instead."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .html of several studies, or .md.", callback=on_this_machine)
    ] = None,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Compare two arms of a study, or several studies on the tasks they share, with what differs between them."""
    from study.commands.compare import compare as compare_command

    compare_command(studies, runs_dir, arms, out)


@app.command(epilog="Example: modstudy storage runs/default --images 1e4,1e6,1e9 --tasks 40 --precision fp16")
def storage(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    study: StudyArgument,
    images: Annotated[
        str | None, typer.Option(help="Gallery sizes, separated by commas. Default: 1e4,1e6,1e9.", show_default=False)
    ] = None,
    tasks: Annotated[int | None, typer.Option(help="Number of tasks. Default: those of the study.")] = None,
    precision: Annotated[
        str, typer.Option(help="How network and index are stored: fp32, fp16, int8 or 1bit, or several with commas.")
    ] = "fp32",
    index_precision: Annotated[
        str | None, typer.Option(help="How the index is stored. Default: as the network.", show_default=False)
    ] = None,
    max_bytes: Annotated[float | None, typer.Option(help="Most bytes of network and index.")] = None,
    max_multiply_adds: Annotated[
        float | None, typer.Option(help="Most multiply-adds to embed a gallery image for all tasks.")
    ] = None,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Compare what the arms take to store and to run, network and gallery index, with accuracy measured as stored."""
    from study.commands.storage import StorageCommand, show_storage

    show_storage(
        StorageCommand(study, runs_dir, images, tasks, precision, index_precision, max_bytes, max_multiply_adds)
    )


app.command(epilog="Example: modstudy export runs/default --arm late --out packs")(export)


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


add_retrieval(app)
app.command(epilog="Example: modstudy serve photos-index --port 8321")(serve)
app.add_typer(data_group, name="data")


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
        Path | None,
        typer.Option(help="File to write, heat map beside it. Default: in the run folder.", callback=on_this_machine),
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
    gc.set_threshold(*_COLLECTOR)
    note_untested_system()
    for stream in (sys.stdout, sys.stderr):  # characters that the terminal cannot encode are printed as escapes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    hear_signals_in_the_whole_process()
    with keeping_the_exit_status():
        app()
