"""The results of a study of rankings on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openwindow.formatting import bracketed
from openwindow.prompt_ranking.results import SUBSETS, in_words


def print_ranking_results(results: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Prints every prompt with its scores and reduction, the correlations next to the published ones, the answer, and the files."""
    console.print()
    for line in results["preface"]:
        console.print(line, highlight=False, style="dim")
    for name, part in results["settings"].items():
        console.print(_prompts(name, part))
    console.print(_correlations(results))
    console.print(f"Published: {results['source']}. Intervals: {results['intervals']}.", highlight=False)
    console.print(results["answer"], highlight=False, style="bold")
    console.print(f"\n{folder / 'results.json'}\n{folder / 'report.html'}", highlight=False, soft_wrap=True)


def _prompts(name: str, part: Mapping[str, Any]) -> Table:
    plain = part["no_mitigation"]["estimate"]
    without = "not measured" if plain is None else f"{100 * plain:.0f} %"
    title = f"{name}: {part['measure']}, {without} after training without a prompt"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("prompt")
    for column in ("before, %", "uplift, nats/token", "after, %", "reduction, points"):
        table.add_column(column, justify="right", no_wrap=True)
    for p in sorted(part["prompts"], key=lambda p: -(p["elicitation"]["estimate"] or 0.0)):
        table.add_row(
            p["text"],
            _number(p["elicitation"], 100, ".0f"),
            _number(p["uplift"], 1, "+.3f"),
            _number(p["after"], 100, ".0f"),
            _number(p["reduction"], 100, "+.0f", ends=True),
        )
    return table


def _number(found: Mapping[str, Any], times: float, form: str, *, ends: bool = False) -> str:
    if found["estimate"] is None:
        return "-"
    low, high = (found["low"], found["high"]) if ends else (None, None)
    return bracketed(found["estimate"], low, high, form, times)


def _correlations(results: Mapping[str, Any]) -> Table:
    table = Table(
        title="Correlation with the reduction after training [95 % interval over prompts]", title_justify="left", box=None
    )
    for column in ("environment", "prompts", "score"):
        table.add_column(column, no_wrap=True)
    for column in ("Pearson", "Spearman", "published"):
        table.add_column(column, justify="right")
    for name, part in results["settings"].items():
        for subset in SUBSETS:
            for score, by_kind in part["correlations"][subset].items():
                published = part["published"] if (score, subset) == ("elicitation", "all") else None
                said = "" if published is None else f"{published:+.2f}"
                table.add_row(name, subset, score, in_words(by_kind["pearson"]), in_words(by_kind["spearman"]), said)
    for score, by_kind in results["means"].items():
        table.add_row("mean", "all", score, in_words(by_kind["pearson"]), in_words(by_kind["spearman"]), "")
    return table
