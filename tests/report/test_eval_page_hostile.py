"""No name of a context, model or measure becomes markup in the report of an eval."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import HOSTILE, renamed, same_page
from test_eval_page import made

from openwindow.report.eval_page import render

__all__ = ["made"]  # a fixture


@pytest.mark.parametrize("mark", ["mine", "played", "self_preservation", "other", "requested"])
def test_report_of_an_eval_is_not_broken_by_names(made: dict[str, Any], mark: str) -> None:
    same_page(render(renamed(made, "plain", mark)), render(renamed(made, HOSTILE, mark)))
