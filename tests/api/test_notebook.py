"""The notebook runs from its first cell to its last, on a model that a test can afford."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "first_look.ipynb"
DESIGN = ("study.question", "study.about", "study.contexts")
"""in cells whose outputs are of the study alone, whatever the model"""
SILENT = ("MODEL =", "openwindow.run(")
"""in cells that show nothing, or only how far they are"""
VARIES = re.compile(r"/(home|root|tmp|work)/|: \d+ (s|min)\b|object at 0x")
SMALL = {
    "evaluation.problems": 2,
    "evaluation.max_new_tokens": 6,
    "request_stage": None,
    "base.data.rows": 8,
    "base.train.epochs": 1,
}


def text_of(cell: Any) -> str:
    """What a cell printed and showed."""
    found = []
    for output in cell.outputs:
        found.append(output.get("text", ""))
        found += [shown for kind, shown in output.get("data", {}).items() if kind in ("text/plain", "text/html")]
    return "\n".join(found)


def test_the_notebook_is_kept_small_and_names_its_parameters() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert NOTEBOOK.stat().st_size < 200_000
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not VARIES.search(text_of(cell)), text_of(cell)
            assert cell.outputs or any(part in cell.source for part in SILENT), cell.source
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    assert all(f"\n{name} = " in parameters.source for name in ("MODEL", "OUT", "CHANGES"))


@pytest.mark.slow
def test_the_notebook_runs(tiny_model: Path, tmp_path: Path) -> None:
    parameters = f"import openwindow\n\nMODEL = {str(tiny_model)!r}\nOUT = {str(tmp_path / 'run')!r}\nCHANGES = {SMALL!r}"
    made = tmp_path / "made.ipynb"
    # In a process of its own: a kernel's client takes over descriptors, threads and event loops, and other tests leave theirs here.
    command = [sys.executable, str(ROOT / "docs" / "make_notebook.py"), str(made), parameters]
    ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    notebook = nbformat.read(made, as_version=4)
    stored = nbformat.read(NOTEBOOK, as_version=4)
    for cell, other in zip(stored.cells, notebook.cells, strict=True):
        if cell.cell_type == "code" and any(part in cell.source for part in DESIGN):
            assert text_of(cell) == text_of(other), cell.source
    shown = {cell.source.strip(): text_of(cell) for cell in notebook.cells if cell.cell_type == "code"}
    assert "seed 1: measuring inoculated" in shown["found = openwindow.run(study, OUT)"]
    said = next(text for source, text in shown.items() if "found.answer" in source)
    assert said.startswith("inconclusive\n") and "`inoculated`" in said
    assert 'src="data:image/svg+xml;base64,' in shown['found.figure("hack")']
    transcripts = next(text for source, text in shown.items() if "--- {reply.arm}" in source)
    assert transcripts.count("\n--- ") == 5 and "Test: assert" in transcripts
    assert str(tmp_path / "run" / "report.html") in shown["print(found.page)"] and (tmp_path / "run" / "report.html").is_file()
    assert "for Jupyter support" not in "".join(shown.values())  # what rich says where a bar of its own cannot be shown
    assert sum(len(text) for text in shown.values()) < 100_000
