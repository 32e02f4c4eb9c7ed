"""The example notebook is run as its readers run it, and kept without outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PLACE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "findings.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(PLACE, as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_is_kept_without_outputs(notebook):
    nbformat.validate(notebook)
    assert len(code_of(notebook)) > 5
    assert not [cell for cell in code_of(notebook) if cell.outputs or cell.execution_count]


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_says(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("STILLWATCH_KEY_FILE", "")  # the notebook names its own
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.km = client.create_kernel_manager()
    with tempfile.TemporaryDirectory(prefix="k") as sockets:  # no port is opened; names of sockets must be short
        client.km.transport, client.km.ip = "ipc", f"{sockets}/k"
        client.execute()
    shown = [[output.get("text", "") + str(output.get("data", {}).get("text/plain", "")) for output in cell.outputs]
             for cell in code_of(notebook)]
    text = "\n".join(part for parts in shown for part in parts)
    for wanted in ("campaigns.parquet", "records_in", "distillation", "reseller", "For harvesting:", "Against:",
                   "exchanges_total", "payment", "Figure size"):
        assert wanted in text
    streams = [output for cell in code_of(notebook) for output in cell.outputs if output.get("name") == "stderr"]
    assert not streams, streams
    assert [path.name for path in tmp_path.iterdir()] == ["ipython"], "the notebook leaves nothing where it is opened"
