"""The generated tables of forms. A script beside the pages, as ``generate.py``, which calls it."""  # noqa: INP001

from __future__ import annotations

from trainables.config.data import DataConfig
from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.backbones import stage_shapes
from trainables.networks.ledger import storage_ledger
from trainables.networks.modulation import FORMS

Rows = list[list[str]]


def form_names() -> list[str]:
    """Return the forms as a study file writes them, with their published numbers."""
    return [kind if form.default_size is None else f"{kind}({form.default_size})" for kind, form in FORMS.items()]


def form_rows() -> Rows:
    """Return every form with what it acts on, and the first sentence of its class."""
    rows = []
    for name, form in zip(form_names(), FORMS.values(), strict=True):
        text = " ".join((form.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")
        rows.append([f"`{name}`", "inside" if form.inside else "on the output", text])
    return rows


def count_rows() -> Rows:
    """Return the added parameters a task of every form at the placements of the literature."""
    stages = tuple(shape.name for shape in stage_shapes(NetworkConfig(), 150))
    late, convolutions = stages[len(stages) // 2 :], stages[:-1]
    wanted = [
        *(("scale", points, None) for points in (stages[-1:], stages[-2:], late, stages[2:], stages[1:], stages)),
        *(("scale_shift", points, None) for points in (late, stages[1:])),
        ("low_rank", late, 4),
        *(("projection", points, None) for points in (late[:2], late, stages[1:])),
        *(("squeeze_excite", points, 16) for points in (late[:2], stages[1:-1])),
        *((f"batch_norm_{part}", stages, None) for part in ("statistics", "bias", "affine")),
        ("parallel_adapter", convolutions, None),
        *(("low_rank_convolution", convolutions, rank) for rank in (1, 2, 4, 8)),
        ("filter_mixing", convolutions, None),
        *(("own", points, None) for points in (stages[-1:], stages[-2:], late)),
        ("weight_mask", stages, None),
        ("task_routing", stages, None),
    ]
    rows = []
    for form, points, size in wanted:
        row = [f"`{form}({size})`" if size else f"`{form}`", ", ".join(points)]
        for tasks in (7, 20, 40):
            names = tuple(f"task{index}" for index in range(tasks))
            config = TrialConfig(
                data=DataConfig(tasks=names, image_size=150),
                modulation=ModulationConfig(points=points, form=form, size=size),
            )
            ledger = storage_ledger(config)
            row += [f"{ledger.added_parameters_per_task:,.0f}"] if tasks == 7 else []
            row.append(f"{100 * ledger.added_parameters / ledger.base_parameters:.2f} %")
        rows.append(row)
    return rows
