"""How a notebook shows a study."""

from __future__ import annotations

from study.html import html_table
from study.session.target import Target


def study_table(target: Target) -> str:
    """Return the main settings of a study as an HTML table."""
    definition, data = target.definition, target.definition.data
    facts = {
        "tasks": ", ".join(data.tasks),
        "images": f"{data.source.kind}, {data.image_size} x {data.image_size} pixels",
        "network": definition.network.backbone,
        "epochs": str(definition.optimization.epochs),
        "run folder": target.folder.shown,
    }
    rows = [{"": key, " ": value} for key, value in facts.items()]
    return html_table(rows, f"study {definition.name}", [definition.description] if definition.description else [])
