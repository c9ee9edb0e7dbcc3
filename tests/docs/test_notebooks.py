"""The notebooks run from top to bottom, end in figures, and hold no output of the machine they were written on."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.ipynb"))
PICTURES = {
    "first-study.ipynb": ['faces.figure("tradeoff")', 'mine.figure("tradeoff")'],
    "search-by-task.ipynb": [
        'draw_grid(retrieve(SearchRequest(here, query, ("Smiling",), top=11)))',
        'draw_grid(retrieve(SearchRequest(here, query, ("Hat",), top=11)))',
        "draw_grid(mixed)",
        'draw_grid(retrieve(SearchRequest(place, str(first), ("Glasses",), top=11)))',
    ],
}
"""The last lines of the cells that end in one."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_committed_without_outputs(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run_to_their_figures(path: Path, tmp_path: Path):
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    drawn = [cell.source.splitlines()[-1] for cell in notebook.cells if "image/png" in str(cell.get("outputs"))]
    assert drawn == PICTURES[path.name]
