"""The options of ``modstudy index`` and ``modstudy retrieve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.commands.arguments import JsonOption, on_this_machine

_DEVICE = typer.Option(help="Where the network computes: cpu, cuda, mps.")
_RUN_CODE = typer.Option("--run-code", help="Import a network of your own (module:function), which runs its code.")


def add_retrieval(app: typer.Typer) -> None:
    """Add both commands."""
    app.command(epilog="Example: modstudy index packs ~/photos --out photos-index")(index)
    app.command(epilog="Example: modstudy retrieve photos-index query.jpg --task heel --grid out.png")(retrieve)


def index(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    pack: Annotated[
        Path,
        typer.Argument(metavar="PACK", help="A folder of packs, or an index to change.", callback=on_this_machine),
    ],
    images: Annotated[
        Path | None,
        typer.Argument(
            metavar="IMAGES",
            help="A folder of images, a list of paths (.txt, .csv), or Parquet files.",
            callback=on_this_machine,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the index. Default: IMAGES-index here.", callback=on_this_machine)
    ] = None,
    network: Annotated[str | None, typer.Option("--model", help="Name of the network, if there are several.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Index for this task only; may be repeated.")] = None,
    precision: Annotated[str, typer.Option(help="Of the vectors: fp32, fp16, int8 or 1bit.")] = "fp32",
    rescore: Annotated[
        str | None, typer.Option(help="Keep a finer copy to score the best again, or none. Default: int8 for 1bit.")
    ] = None,
    thumbnails: Annotated[
        int | None, typer.Option(min=0, max=1024, help="Side of the small copies kept, in pixels. Default: 128.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Beginning of the ids. Default: the name of IMAGES.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Add images of another place to the index.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at an image that cannot be used.")] = False,
    delete: Annotated[list[str] | None, typer.Option(help="Delete the image of this id; may be repeated.")] = None,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Build lists for retrieve --approximate, or renew stale ones.")
    ] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Free the space of deleted images.")] = False,
    device: Annotated[str, _DEVICE] = "cpu",
    run_code: Annotated[bool, _RUN_CODE] = False,
) -> None:
    """Embed images with an exported network into an index that can be searched. Repeat the command to resume."""
    from study.commands.retrieval.index import show_indexing
    from study.retrieval.indexing import IndexRequest

    show_indexing(
        IndexRequest(
            pack=pack,
            images=images,
            out=out,
            network=network,
            tasks=tuple(task or ()),
            precision=precision,
            rescore=rescore,
            thumbnails=thumbnails,
            name=name,
            append=append,
            strict=strict,
            delete=tuple(delete or ()),
            approximate=approximate,
            compact=compact,
            device=device,
            run_code=run_code,
        )
    )


def retrieve(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    index: Annotated[
        Path, typer.Argument(metavar="INDEX", help="The folder that modstudy index wrote.", callback=on_this_machine)
    ],
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The file of an image, or the id of one in the index.")],
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task, or several with weights: --task type --task color=-0.5. Minus: unlike in this."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="The most images to show.")] = 12,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only images of this label or source: type=boots, 'source=shoes/*', color!=red|blue."),
    ] = None,
    grid: Annotated[
        Path | None, typer.Option(help="Draw query and matches into this file.", callback=on_this_machine)
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the channels that carry a match, and its rank for every task.")
    ] = False,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Compare only the lists of images nearest to the query.")
    ] = False,
    as_json: JsonOption = False,
    device: Annotated[str, _DEVICE] = "cpu",
    run_code: Annotated[bool, _RUN_CODE] = False,
) -> None:
    """Find the images of an index that are most like a query in one respect, or in several with weights."""
    from study.commands.retrieval.retrieve import show_retrieved
    from study.retrieval.querying import SearchRequest

    tasks, conditions = tuple(task or ()), tuple(where or ())
    request = SearchRequest(index, query, tasks, top, conditions, explain, approximate, device, run_code)
    show_retrieved(request, grid, as_json=as_json)
