"""The options of ``modstudy export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.commands.arguments import RunsOption, StudyArgument, on_this_machine
from study.layout import RUNS


def export(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    study: StudyArgument,
    arm: Annotated[str | None, typer.Option(help="Name of the arm.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="Pick the arm by a rule. Default: cheapest-within:0.01.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Train seed. Default: the first.", show_default=False)] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16, int8 or 1bit; accuracy is measured again.")] = "fp32",
    data_licence: Annotated[str | None, typer.Option(help="Licence of the images, for the manifest.")] = None,
    onnx: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="Also write this task's network as an ONNX file; may be repeated."),
    ] = None,
    layout: Annotated[
        str, typer.Option(help="packs; huggingface: also a model card; mlflow: also an MLflow model.")
    ] = "packs",
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the model card.")] = "unknown",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write or to add to. Default: packs/ in the run folder.", callback=on_this_machine),
    ] = None,
    runs_dir: RunsOption = RUNS,
) -> None:
    """Write a trained network for use without the study: a backbone once and a small pack per task."""
    from study.commands.packs.export import export as export_command
    from study.packs.choice import ExportRequest
    from study.packs.extras import Extras

    extras = Extras(layout, licence, tuple(onnx or ()))
    export_command(study, runs_dir, ExportRequest(arm, rule, seed, precision, data_licence, extras), out)
