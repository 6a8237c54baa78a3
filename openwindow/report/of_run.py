"""Builds the results and page of a run from its folder alone: as often as wanted, and whatever wrote the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openwindow.files.kept import is_kept, kept_results
from openwindow.files.run_results import RunResults
from openwindow.report.study_page import build_report
from openwindow.results.build import build_results


def build_run(folder: Path, transcripts: int | None = None) -> dict[str, Any]:
    """Writes results.json and report.html into the run folder, and returns the results. Raises UserError, StorageError.

    A kept run's results are those of the whole run, and stay as they are.
    `transcripts` is how many of each kind the page holds at most; None as in `build_report`.
    """
    results = RunResults.model_validate(kept_results(folder)).complete() if is_kept(folder) else build_results(folder)
    build_report(folder, transcripts)
    return results
