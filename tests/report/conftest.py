"""Run folders and their pages for the tests of the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_folder import make_run_folder

from openwindow.report.study_page import build_report


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a finished run."""
    return build_report(make_run_folder(tmp_path_factory.mktemp("report"))).read_text(encoding="utf-8")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A small run folder that the test may change."""
    return make_run_folder(tmp_path, rows=45)
