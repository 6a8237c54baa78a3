"""The notebook runs from its first cell to its last, on a model that a test can afford."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "first_look.ipynb"
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
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    assert all(f"\n{name} = " in parameters.source for name in ("MODEL", "OUT", "CHANGES"))


@pytest.mark.slow
def test_the_notebook_runs(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source = f"import openwindow\n\nMODEL = {str(tiny_model)!r}\nOUT = {str(tmp_path / 'run')!r}\nCHANGES = {SMALL!r}"
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
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
