"""What commands print: JSON and tables on standard output, notes on standard error."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from openwindow.progress import make_console


def print_json(value: Any) -> None:
    """Prints the value as JSON; ValueError for NaN and infinities, which JSON does not have."""
    print(json.dumps(value, indent=1, allow_nan=False))


def note(text: str) -> None:
    """Prints a line on standard error that is not an error."""
    print(f"note: {text}", file=sys.stderr)


def print_results(results: dict[str, Any], folder: Path, as_json: bool) -> None:
    """The results of a study, as JSON or as a table."""
    if as_json:
        print_json(results)
        return
    from openwindow.cli import study_table

    study_table.print_results(results, folder, make_console())


def print_ranking(results: dict[str, Any], folder: Path, as_json: bool) -> None:
    """The results of a study of rankings, as JSON or as a table."""
    if as_json:
        print_json(results)
        return
    from openwindow.cli.ranking_table import print_ranking_results

    print_ranking_results(results, folder, make_console())
