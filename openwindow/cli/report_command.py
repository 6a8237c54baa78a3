"""`openwindow report`: the results and page of one run built again, or a page that lists many runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openwindow.cli.options import OUTPUT, JsonOption, integer, option
from openwindow.cli.printing import print_json, print_ranking, print_results
from openwindow.errors import ConfigError, OpenWindowError
from openwindow.progress import Reporter, make_console

if TYPE_CHECKING:
    from openwindow.results.index import Entry


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="A run folder; several, or a folder that holds some: list them on one page."),
    ],
    transcripts: Annotated[
        int | None,
        integer(
            "--transcripts", "Transcripts of each kind on the page, a sample where there are more. [default: all]", panel=OUTPUT
        ),
    ] = None,
    out: Annotated[
        Path | None,
        option("--out", "-o", what="With several: folder of the page. [default: the one that all of them are in]", panel=OUTPUT),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Rebuild results.json and report.html from a run folder, or make an index page of several."""
    from openwindow.results.index import folders_of, inside, known

    if transcripts is not None and transcripts < 1:
        raise ConfigError(f"--transcripts is {transcripts}; expected 1 or more; raise it, or drop it to have all of them")
    one = len(folders) == 1 and not inside(folders[0])
    if one and out is not None:
        raise ConfigError(f"--out {out} with one run, whose page is written into its folder; expected several runs; drop it")
    if one:
        _rebuild(folders[0], transcripts, json_)
        return
    if transcripts is not None:
        raise ConfigError(f"--transcripts {transcripts} with several runs; expected it with one; drop it, or name one run")
    found = folders_of(folders)
    if not any(map(known, found)):
        raise ConfigError(f"none of {', '.join(map(str, found[:3]))} holds a run; expected one of them at least; check the paths")
    _index(found, out, json_)


def _rebuild(folder: Path, transcripts: int | None, json_: bool) -> None:
    from openwindow.cli.watch_command import print_watched
    from openwindow.prompt_ranking.results import build_ranking, is_ranking
    from openwindow.report.of_run import build_run
    from openwindow.watch.run import is_watched, rebuild

    if is_ranking(folder):
        if transcripts is not None:
            raise ConfigError(
                f"--transcripts is {transcripts}, and {folder} is a ranking, whose page has no transcripts; expected a run folder; "
                "drop it, or name a folder in it"
            )
        print_ranking(build_ranking(folder), folder, json_)
        return
    if is_watched(folder):
        found = rebuild(folder, transcripts)
        print_json(found) if json_ else print_watched(found, folder)
        return
    print_results(build_run(folder, transcripts), folder, json_)


def _index(folders: Sequence[Path], out: Path | None, json_: bool) -> None:
    """Lists the runs on one page; the results of a run that has none yet are built first."""
    from openwindow.files.bounded import usable
    from openwindow.report.index_page import common_folder, write_index

    if out is not None:
        usable(out)
    with Reporter(make_console(stderr=True)) as reporter, reporter.step("reading runs", len(folders)) as advance:
        entries = []
        for folder in folders:
            entries.append(_entry(folder))
            advance(1)
    where = common_folder(entries) if out is None else out
    where.mkdir(parents=True, exist_ok=True)
    path = write_index(entries, where)
    if json_:
        print_json({"page": str(path), "runs": [entry.record() for entry in entries]})
        return
    _print(entries, path)


def _entry(folder: Path) -> Entry:
    """What the list says of a run; one that has no results or page, and is not running, is built if that is possible."""
    from dataclasses import replace

    from openwindow.files.run_files import read_json
    from openwindow.prompt_ranking.results import build_ranking, is_ranking
    from openwindow.report.of_run import build_run
    from openwindow.results.index import RESULTS, entry_of

    entry = entry_of(folder)
    whole = entry.page and (folder / RESULTS).exists()
    if whole or entry.kind not in ("study", "ranking") or entry.state == "running" or not read_json(folder / "config.json"):
        return entry
    try:
        build_ranking(folder) if is_ranking(folder) else build_run(folder)
    except OpenWindowError as error:
        return replace(entry, reason="; ".join(filter(None, (entry.reason, f"cannot be built: {error}"))))
    return entry_of(folder)


def _print(entries: Sequence[Entry], path: Path) -> None:
    from rich.table import Table

    table = Table(box=None, title=f"{len(entries)} runs", title_justify="left")
    for column in ("run", "verdict", "first finding, or what is wrong", "model", "date"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        said = "; ".join(filter(None, ((entry.headline or entry.answer).replace("`", ""), entry.reason)))
        table.add_row(str(entry.folder), entry.verdict, said if len(said) <= 240 else f"{said[:240]}...", entry.model, entry.date)
    console = make_console()
    console.print(table)
    console.print(f"\n{path}", soft_wrap=True)
