"""Retrieval examples with their images inside the page."""

from __future__ import annotations

import base64

from results.analysis.figure_data.networks import FoundExamples
from results.page.model import ExamplesShown, QueryShown, RetrievedImage


def examples_shown(found: FoundExamples) -> ExamplesShown:
    """Return the examples with images as data URIs."""
    uris = {
        number: f"data:image/jpeg;base64,{base64.b64encode(image).decode()}" for number, image in found.images.items()
    }
    queries = [
        QueryShown(
            query.task,
            query.label,
            RetrievedImage(uris[query.image], None),
            tuple(
                (arm, tuple(RetrievedImage(uris[one.image], one.right) for one in images))
                for arm, images in query.arms.items()
            ),
        )
        for query in found.queries
    ]
    return ExamplesShown(tuple(queries), found.note)
