"""The page that lists many runs: one line each, searched and filtered, with links to their own pages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from openwindow import __version__
from openwindow.formatting import VERDICT_MARKS
from openwindow.report import html
from openwindow.results.index import Entry

PAGE = "index.html"


def write_index(entries: Sequence[Entry], folder: Path) -> Path:
    """Writes index.html into the folder, with links from there, and returns its path. Raises StorageError."""
    return html.write_page(render(entries, folder), folder, PAGE)


def render(entries: Sequence[Entry], folder: Path) -> str:
    """The page as text: the newest runs first, and those without a date last."""
    ordered = sorted(entries, key=lambda entry: entry.date, reverse=True)
    values = {
        "version": __version__,
        "rows": [(entry, link(entry, folder), VERDICT_MARKS.get(entry.verdict, "")) for entry in ordered],
        "kinds": list(dict.fromkeys(entry.kind for entry in ordered if entry.kind)),
        "verdicts": list(dict.fromkeys(entry.verdict for entry in ordered if entry.verdict)),
        "models": list(dict.fromkeys(entry.model for entry in ordered if entry.model)),
        "faults": sum(bool(entry.reason) for entry in ordered),
    }
    script = f"{html.THEME}\n{html.script_of('index.js')}"
    return html.filled("index.html.jinja", script, values)


def link(entry: Entry, folder: Path) -> str | None:
    """Where its own page is, seen from the folder of the index; None without one."""
    if not entry.page:
        return None
    return quote(os.path.relpath(entry.folder.resolve() / "report.html", folder.resolve()), safe="/", errors="surrogateescape")


def common_folder(entries: Sequence[Entry]) -> Path:
    """The innermost folder that all runs are in."""
    return Path(os.path.commonpath([entry.folder.resolve().parent for entry in entries]))
