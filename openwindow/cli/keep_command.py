"""`openwindow keep`: a finished run, small enough for a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openwindow.cli.options import OUTPUT, JsonOption, option
from openwindow.cli.printing import note, print_json
from openwindow.errors import ConfigError
from openwindow.progress import make_console, working

LEAST, MOST = 0.05, 1000.0
"""megabytes"""


def _size(value: str) -> float:
    """Megabytes as a user gives them."""
    try:
        size = float(value)
    except ValueError:
        size = float("nan")
    if not LEAST <= size <= MOST:
        raise ConfigError(f"--size is {value[:60]!r}; expected megabytes, {LEAST:g} to {MOST:g}; give a number, such as --size 2")
    return size


def keep(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[
        Path, option("--out", "-o", what="The folder to write, such as docs/results/STUDY; replaces an earlier one.", panel=OUTPUT)
    ],
    size: Annotated[
        float,
        typer.Option(
            "--size", help="Megabytes that all its files may have together.", parser=_size, metavar="NUMBER", rich_help_panel=OUTPUT
        ),
    ] = 2.0,
    json_: JsonOption = False,
) -> None:
    """Keep a run small, for a repository: its numbers, its page, and a sample of its rows."""
    from openwindow.prompt_ranking.keep import keep_any
    from openwindow.report.keep import MEGABYTE

    with working(make_console(stderr=True), f"reading {run}") as say:
        kept = keep_any(run, out, round(size * MEGABYTE), say)
    if kept.absent:
        note(f"{kept.absent} arms and seeds of the study are not finished: the page says so")
    if json_:
        rows = {name: one.written() for name, one in kept.mark.rows.items()}
        print_json({"folder": str(out), "bytes": kept.bytes, "rows": rows, "unfinished": kept.absent})
        return
    console = make_console()
    for name, one in kept.mark.rows.items():
        console.print(f"{one.kept:>9,} of {one.of:>9,}  {name}", soft_wrap=True)
    console.print(f"{kept.bytes / MEGABYTE:.2f} MB in {out}; `openwindow report {out}` rebuilds its page", soft_wrap=True)
