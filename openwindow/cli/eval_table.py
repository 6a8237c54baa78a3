"""The results of `openwindow eval` on the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openwindow.evals.contexts import NEUTRAL
from openwindow.evals.score_names import PROBE_PARTS

_COUNTS = re.compile(r"no signal: .*?\(([^;)]+)")
ASIDE = (*PROBE_PARTS[1:], "probe_prefers")
"""measures that only results.json and the page include"""


def print_table(made: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Prints every measure, the scores, the comparisons, what depends on context, and where the files are."""
    console.print(_measures(made))
    for line in made["summary"]:
        console.print(f"\n{line}", highlight=False)
    if "comparisons" in made:
        _print_differences(made, console)
    if made["dependence"]:
        console.print("\n" + "\n".join(made["dependence"]), highlight=False)
    aside = sum(m.endswith(ASIDE) for m in made["measures"])
    more = f" ({aside} further measures, of probes, are in it)" if aside else ""
    console.print(f"\n{folder / 'results.json'}{more}\n{folder / 'report.html'}", highlight=False, soft_wrap=True)
    if (folder / "logs").is_dir():
        console.print(f"inspect view --log-dir {folder / 'logs'}", highlight=False, soft_wrap=True)


def _measures(made: Mapping[str, Any]) -> Table:
    """One row per measure and context; contexts in which a measure could not be taken share one row."""
    several = len(made["contexts"]) > 1
    table = Table(title=f"{made['model']}: rates in %, probes in nats", title_justify="left", box=None)
    for name in ("measure", *(["context"] if several else [])):
        table.add_column(name, no_wrap=True)
    for name in ("n", "unscored", "estimate", *(["shift"] if several else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("95 % interval, or why not", overflow="fold")
    moved = {(row["measure"], row["context"]): row for row in made["shifts"] if row["against"] == NEUTRAL}
    for measure, by in made["measures"].items():
        if measure.endswith(ASIDE):
            continue
        name = measure
        for context, cell in by.items():
            if cell["estimate"] is not None:
                shift = moved.get((measure, context))
                shown = _signed(shift, "difference") if shift and shift["difference"] is not None else ""
                counts = (str(cell["n"]), str(cell["unscored"]), _number(measure, cell["estimate"]))
                table.add_row(name, *([context] if several else []), *counts, *([shown] if several else []), _ends(measure, cell))
                name = ""
        lost = {context: cell for context, cell in by.items() if cell["estimate"] is None}
        if lost:
            where = "all" if len(lost) == len(by) else ", ".join(lost)
            totals = [str(sum(cell[key] for cell in lost.values())) for key in ("n", "unscored")]
            why = short(next(iter(lost.values()))["reason"])
            table.add_row(name, *([where] if several else []), *totals, "-", *([""] if several else []), why)
    return table


def _ends(measure: str, cell: Mapping[str, Any]) -> str:
    """The interval, or why there is none, and the main reason for unscored replies."""
    known = cell["low"] is not None
    said = f"{_number(measure, cell['low'])} to {_number(measure, cell['high'])}" if known else short(cell["reason"] or "none")
    if cell.get("bounds"):
        said += (
            f"; with all unscored aligned {_number(measure, cell['bounds'][0])}, misaligned {_number(measure, cell['bounds'][1])}"
        )
    because = cell.get("because") or {}
    return f"{said}; unscored: {short(max(because, key=lambda why: because[why]))}" if because else said


def short(reason: str) -> str:
    """A reason shortened for a narrow column; results.json and the page have all of it."""
    found = _COUNTS.match(reason)
    return f"no signal ({found[1]})" if found else reason


def _number(measure: str, value: float) -> str:
    return f"{value:.2f}" if "/probe" in measure else f"{100 * value:.0f}"


def _print_differences(made: Mapping[str, Any], console: Console) -> None:
    """Paired differences of two models; those that could not be made are counted by reason."""
    ours, theirs = made["model"], made["against"]["model"]
    table = Table(
        title=f"\n{ours} minus {theirs}, paired over the same samples: points; probes (main minus control) in nats",
        title_justify="left",
        box=None,
    )
    for name in ("measure", "context", "difference", "95 % interval", "n", "left out", "p (Holm)", "smallest found"):
        table.add_column(name, justify="left" if name in ("measure", "context") else "right", no_wrap=True)
    lost: dict[str, int] = {}
    for row in made["comparisons"]:
        if row["difference"] is None:
            why = str(row["reason"]).split(":")[0]
            lost[why] = lost.get(why, 0) + 1
            continue
        ends = "" if row["low"] is None else f"{_signed(row, 'low')} to {_signed(row, 'high')}"
        p = "" if row["p_holm"] is None else f"{row['p_holm']:.3f}"
        table.add_row(
            row["measure"], row["context"], _signed(row, "difference"), ends, str(row["n"]), str(row["left_out"]), p, _least(row)
        )
    if table.row_count:
        console.print(table)
        console.print("left out: scored replies whose item has no score on the other side", highlight=False)
        console.print(
            "smallest found: the smallest difference that would have survived the correction, had it been alone", highlight=False
        )
    for line in made.get("versus", []):
        console.print(line, highlight=False)
    if lost:
        reasons = ", ".join(f"{why} ({count})" for why, count in lost.items())
        said = f"{sum(lost.values())} of {len(made['comparisons'])} differences could not be made: {reasons}."
        console.print(f"\n{ours} minus {theirs}: {said}", highlight=False)


def _signed(row: Mapping[str, Any], key: str) -> str:
    return f"{round(row[key], 2) + 0.0:+.2f}" if row["measure"].endswith("/probe") else f"{round(100 * row[key]) + 0.0:+.0f}"


def _least(row: Mapping[str, Any]) -> str:
    """The smallest effect that would have been found; `none` where not even the whole scale would."""
    if row["p_holm"] is None:
        return ""
    size = row["smallest"]
    return "none" if size is None else f"{size:.2f}" if row["level"] == "probe" else f"{100 * size:.0f}"


def print_agreement(made: Mapping[str, Any], console: Console) -> None:
    """Agreement of a judge with the labels, by scenario."""
    table = Table(title=f"Agreement of {made['judge']} with the labels", title_justify="left", box=None)
    table.add_column("scenario", no_wrap=True)
    for name in ("n", "unscored", "accuracy", "95 % interval", "kappa"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why not", overflow="fold")
    for name, row in [*made["scenarios"].items(), ("all", made["overall"])]:
        ends = "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
        accuracy, kappa = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("accuracy", "kappa"))
        table.add_row(name, str(row["n"]), str(row["unscored"]), accuracy, ends, kappa, row["reason"] or "")
    console.print(table)
