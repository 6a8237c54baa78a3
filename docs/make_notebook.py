"""Runs docs/notebooks/first_look.ipynb from its first cell to its last and writes it with its outputs (`make notebook`).

    python docs/make_notebook.py                         in place: minutes, on the real model
    python docs/make_notebook.py OUT.ipynb PARAMETERS    with lines of Python in place of those that set its parameters

What varies from one run to the next is left out of what is stored: how long things took, and paths of this machine.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat

NOTEBOOK = Path(__file__).parent / "notebooks" / "first_look.ipynb"
VARIES = re.compile(r": \d+(\.\d+)? (s|min|h)\b|(^|[\s('\"])/[a-z]+/")
"""of a line: a duration, or an absolute path"""


def executed(parameters: str | None, folder: Path) -> Any:
    """The notebook with the outputs of a run in that folder, with other parameters if some are given."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if parameters is not None and "parameters" in cell.metadata.get("tags", ()):
            cell.source = parameters
    metadata = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=3600, kernel_name="python3", record_timing=False, resources=metadata).execute()
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


def steady(notebook: Any) -> Any:
    """Without what varies between two runs."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                output.text = "".join(line for line in output.text.splitlines(keepends=True) if not VARIES.search(line))
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.output_type != "stream" or output.text.strip()]
    return notebook


def main(out: Path, parameters: str | None) -> None:
    """Writes the executed notebook to `out`; the run itself is not kept, unless the parameters name a folder for it."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(parameters, Path(folder))
    nbformat.write(steady(notebook) if parameters is None else notebook, out)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else NOTEBOOK, given[1] if len(given) > 1 else None)
