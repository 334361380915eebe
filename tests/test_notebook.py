"""docs/tour.ipynb runs from its first cell to its last.

After changing it, renew the outputs that readers see, and look at them before committing:

    .venv/bin/python -m tests.test_notebook
"""

from __future__ import annotations

import json
import os
import tempfile

import pytest

from tests.conftest import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "tour.ipynb"
LARGEST = 300_000  # bytes, outputs among them


def executed(folder):
    """The notebook with the outputs of a run in this folder; an error of a cell is raised."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("onnxruntime")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    for output in (o for cell in notebook.cells for o in cell.get("outputs", ())):
        output.get("data", {}).pop("image/jpeg", None)  # Pillow shows each picture twice
    return notebook


def pictures(cells):
    return [
        o
        for cell in cells
        for o in cell.get("outputs", ())
        for kind in o.get("data", ())
        if "image/" in kind
    ]


def test_the_notebook_runs(tmp_path):
    cells = executed(tmp_path).cells
    assert len(pictures(cells)) == 7
    said = "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", ()))
    assert "dcgan on fashion_mini after 16 kimg" in said
    assert "largest difference" in said
    assert {"walk.apng", "training.apng", "generator.onnx"} <= {f.name for f in tmp_path.iterdir()}


def test_the_notebook_shows_what_it_does():
    """It was saved with its outputs, which name no place of a machine, and stays small."""
    text = NOTEBOOK.read_text()
    cells = json.loads(text)["cells"]
    assert len(text.encode()) < LARGEST
    assert len(pictures(cells)) == 7
    assert not [o for c in cells for o in c.get("outputs", ()) if o["output_type"] == "error"]
    assert not [path for path in ("/work/", "/root/", "/home/", "/tmp/") if path in text]


if __name__ == "__main__":
    import nbformat

    with tempfile.TemporaryDirectory() as place:
        nbformat.write(executed(place), NOTEBOOK)
