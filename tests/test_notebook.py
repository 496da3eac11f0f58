"""The README's lines in a notebook: they run, and what they give shows itself."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import pg_core

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the photo that the README names, from which the library is found."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copy(pg_core.sample_path("rocket"), tmp_path / "photo.jpg")
    return tmp_path


def outputs(cells, folder):
    """What each cell of a notebook gives, run in a folder."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in notebook.cells]


def test_the_lines_of_the_readme_run_in_a_notebook_and_an_analysis_shows_its_picture(folder):
    (code,) = CODE
    *_, shown, table = outputs([code, "analysis", "table"], folder)
    html = shown[0]["data"]["text/html"]
    assert html.startswith('<img style="max-width: 100%" src="data:image/png;base64,')
    analysis = pg_core.certify(folder / "photo.jpg", "imagenette", patch="2%")
    assert analysis.sentence().replace("'", "&#x27;") in html
    assert shown[0]["data"]["text/plain"] == repr(analysis)
    (rows,) = re.findall(r"<table>.*</table>", table[0]["data"]["text/html"])
    assert "double masking on features" in rows
    assert f"{analysis.certificate.proved.sum()} of {analysis.certificate.positions.count} windows" in rows
