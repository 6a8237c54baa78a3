"""`openwindow compare`: two runs, or two evals of models, against each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openwindow.cli.options import OUTPUT, JsonOption, integer, option
from openwindow.cli.printing import print_json
from openwindow.errors import ConfigError
from openwindow.formatting import bracketed, chance, effect
from openwindow.progress import make_console, working

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NAME = "compare.json"
Transcripts = Annotated[
    int | None,
    integer("--transcripts", "Pairs of replies on the page, those with another verdict first. [default: all]", panel=OUTPUT),
]
MOST = 12
"""differences of evals in the table"""


def compare(
    run_a: Annotated[
        Path,
        typer.Argument(metavar="RUN_A", help="A run folder, or a folder of `openwindow eval`: the one that B is compared with."),
    ],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another of the same kind. Differences are B minus A.")],
    match: Annotated[
        str | None,
        option("--match", what="Arms that have other names in B, as ARM_OF_A=ARM_OF_B,... [default: arms of equal names]"),
    ] = None,
    transcripts: Transcripts = None,
    out: Annotated[
        Path | None, option("--out", "-o", what="Folder of the comparison. [default: runs/compare-A-B]", panel=OUTPUT)
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Compare two runs: what differs between them, in what they do, and both replies side by side."""
    from openwindow.files.bounded import usable
    from openwindow.files.writing import write_json
    from openwindow.report.compare_page import write_page
    from openwindow.results.two_runs.build import compare_runs
    from openwindow.results.two_runs.matching import matches_of

    if transcripts is not None and transcripts < 1:
        raise ConfigError(f"--transcripts is {transcripts}; expected 1 or more; raise it, or drop it to have all of them")
    matches = {} if match is None else matches_of(match)
    folder = default_out(run_a, run_b) if out is None else out
    usable(folder)
    _not_a_run(folder)
    with working(make_console(stderr=True), "") as say:
        compared = compare_runs(run_a, run_b, say, matches)
        say(f"writing {folder}")
        write_json(folder / NAME, compared.results)
        write_page(compared, folder, transcripts)
    print_json(compared.results) if json_ else print_table(compared.results, folder, make_console())


def default_out(a: Path, b: Path) -> Path:
    """The default folder of a comparison of two folders."""
    one, other = (re.sub(r"[^A-Za-z0-9._]+", "-", path.resolve().name).strip("-") or "run" for path in (a, b))
    return Path("runs") / f"compare-{one[:40]}-{other[:40]}"


def _not_a_run(folder: Path) -> None:
    """Raises ConfigError if the folder holds results of something else, whose page would be replaced."""
    if any((folder / name).exists() for name in ("config.json", "results.json")):
        raise ConfigError(
            f"--out {folder} holds a run, whose report.html would be replaced; expected an empty folder; choose another"
        )


def print_table(found: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Prints what differs, the rates, the contrasts, the evals, what could not be paired, the answer, and where the files are."""
    for name in ("a", "b"):
        it = found[name]
        console.print(
            f"{name.upper()}: {it['folder']} ({', '.join(filter(None, (it['name'], it['model'], it['commit'][:12])))})",
            soft_wrap=True,
        )
    console.print(_fields(found["differs"]) if found["differs"] else "\nNothing that the two record of themselves differs.")
    _print_rates(found["rates"], console)
    if found["contrasts"]:
        console.print(_contrasts(found["contrasts"]))
    _print_evals(found, console)
    for row in found["unpaired"]:
        count = f"{row['count']:,} " if row["count"] else ""
        console.print(
            f"not paired, of {row['run']}: {count}replies: {row['why']}" if count else f"not paired, of {row['run']}: {row['why']}",
            style="dim",
        )
    for row in found["not_compared"] + found["notes"]:
        console.print(f"not compared, of {row['run']}: {row['what']}: {row['reason']}", style="dim")
    for i, line in enumerate(found["summary"]):
        console.print(f"{'' if i else chr(10)}{line}", style="bold" if i == 0 else None)
    console.print(f"\n{folder / NAME}\n{folder / 'report.html'}", soft_wrap=True)


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(title=f"\n{title}", title_justify="left", box=None)
    for column in left:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _fields(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("What differs between the two", ("of", "field", "A", "B"), ())
    for row in rows:
        table.add_row(row["group"], row["field"], _short(row["a"]), _short(row["b"]))
    return table


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _print_rates(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    shown = [row for row in rows if row["part"] != "other"]
    if not rows:
        return
    title = "Rates in %, over what both could be scored on; difference: B minus A in points"
    table = _table(title, ("measure", "context", "arm"), ("A", "B", "difference", "p (Holm)", "n", "detectable"))
    for row in shown:
        sides = (_rate(row["a"]["estimate"]), _rate(row["b"]["estimate"]))
        table.add_row(
            row["measure"], row["context"], row["arm"], *sides, *_difference(row), str(row["n_pairs"]), _least(row["detectable"])
        )
    if shown:
        console.print(table)
    if len(shown) < len(rows):
        console.print(f"{len(rows) - len(shown)} rates of other measures are in {NAME} and on the page", style="dim")


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f}"


def _difference(row: Mapping[str, Any], nats: bool = False) -> tuple[str, str]:
    """A difference with its interval, and its p."""
    if row["difference"] is None:
        return str(row["reason"]), ""
    form, times = ("+.2f", 1.0) if nats else ("+.0f", 100.0)
    text = bracketed(round(row["difference"], 4) + 0.0, row["low"], row["high"], form, times)
    return text, "" if row["p_holm"] is None else chance(row["p_holm"])


def _least(value: float | None, nats: bool = False) -> str:
    return "none" if value is None else effect(value, nats)


def _contrasts(rows: Sequence[Mapping[str, Any]]) -> Table:
    title = "Contrasts between arms that both name; difference: that of B minus that of A"
    table = _table(title, ("comparison",), ("A", "B", "difference", "p (Holm)", "detectable"))
    for row in rows:
        plain = row["unit"].startswith("nats")
        sides = [_side(row[name]["difference"], plain) for name in ("a", "b")]
        named = f"{row['measure']}, {row['context']}: {row['arm']} - {row['against']}"
        table.add_row(named, *sides, *_difference(row, plain), _least(row["detectable"], plain))
    return table


def _side(value: float | None, nats: bool) -> str:
    return "-" if value is None else f"{value:+.2f}" if nats else f"{100 * value + 0.0:+.0f}"


def _print_evals(found: Mapping[str, Any], console: Console) -> None:
    scores = [row for row in found["scores"] if row["difference"] is not None]
    if scores:
        table = _table(
            "Scores of evals; B minus A, of a probe in nats",
            ("score", "context", "model"),
            ("difference", "p (Holm)", "detectable"),
        )
        for row in scores:
            plain = row["readout"] == "probe"
            table.add_row(
                f"{row['score']} {row['readout']}",
                row["context"],
                row["arm"],
                *_difference(row, plain),
                _least(row["detectable"], plain),
            )
        console.print(table)
    evals = sorted((row for row in found["evals"] if row["p_holm"] is not None), key=lambda row: float(row["p_holm"]))
    if evals:
        table = _table(
            "Measures of evals; B minus A, of a probe in nats",
            ("measure", "context", "model"),
            ("difference", "p (Holm)", "detectable"),
        )
        for row in evals[:MOST]:
            plain = row["level"] == "probe"
            table.add_row(row["measure"], row["context"], row["arm"], *_difference(row, plain), _least(row["smallest"], plain))
        console.print(table)
    left = len(found["evals"]) - len(evals[:MOST])
    if found["evals"] and left:
        console.print(f"{left} further differences of evals are in {NAME} and on the page", style="dim")
