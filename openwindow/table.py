"""Results as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_results(results: Mapping[str, Any], folder: Path, console: Console) -> None:
    """The rates of every arm in every context, the comparisons, the answer, and where the files are."""
    console.print()
    for line in results["preface"]:
        console.print(line, highlight=False, style="dim")
    for measure, what in (("hack", "passes the visible test, fails the hidden ones"), ("correct", "right on hidden inputs")):
        console.print(_rates(results, measure, what))
    console.print(_comparisons(results))
    console.print(results["answer"], highlight=False, style="bold")
    for arm, leak in results["leak"].items():
        if arm == "inoculated":
            console.print(
                f"Largest hack rate of `{arm}` in any context that does not ask for it: {_percent(leak)} under {leak['context']}.",
                highlight=False,
            )
    console.print(f"\n{folder / 'results.json'}\n{folder / 'report.html'}", highlight=False, soft_wrap=True)


def _rates(results: Mapping[str, Any], measure: str, what: str) -> Table:
    table = Table(title=f"{measure}: {what}; % of held-out problems [95 % interval]", title_justify="left", box=None)
    table.add_column("arm", no_wrap=True)
    for context in next(iter(results["arms"].values()))["measures"][measure]:
        table.add_column(context, justify="right", no_wrap=True)
    for arm, found in results["arms"].items():
        table.add_row(arm, *(_percent(cell, interval=True) for cell in found["measures"][measure].values()))
    return table


def _comparisons(results: Mapping[str, Any]) -> Table:
    table = Table(title="Comparisons named before the run", title_justify="left", box=None)
    table.add_column("comparison", no_wrap=True)
    for name in ("difference", "95 % interval", "p (Holm)"):
        table.add_column(name, justify="right")
    for c in results["comparisons"]:
        named = f"{c['measure']}, {c['context']}: {c['arm']} - {c['against']}"
        known = c["difference"] is not None
        interval = f"{100 * c['low']:+.0f} to {100 * c['high']:+.0f}" if c["low"] is not None else str(c["reason"])
        p = "" if c["p_holm"] is None else ("< 0.001" if c["p_holm"] < 0.001 else f"{c['p_holm']:.3f}")
        table.add_row(named, f"{100 * c['difference']:+.0f}" if known else "", interval, p)
    return table


def _percent(cell: Mapping[str, Any], *, interval: bool = False) -> str:
    if cell["estimate"] is None:
        return "not measured"
    text = f"{100 * cell['estimate']:.0f}"
    if interval and cell["low"] is not None:
        text += f" [{100 * cell['low']:.0f}, {100 * cell['high']:.0f}]"
    return text
