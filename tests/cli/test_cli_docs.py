"""docs/cli.md says what `--help` says."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_commands_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))["page"]()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == page, "the help texts have changed: run `make docs`"
    for option in ("--set FIELD=VALUE", "--device", "--max-new-tokens", "--dry-run"):
        assert option in page
