"""Results as a table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openwindow.environments.base import behaviour
from openwindow.files.records import Cell
from openwindow.formatting import bracketed, counted, effect, listed, measured, percent
from openwindow.results.load import read_meanings
from openwindow.results.unmeasured import grouped, unmeasured_throughout
from openwindow.types import Measure

COLUMN = len("100 [100, 100]")  # characters of a rate with its interval


def print_results(results: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Prints the rates of every arm in every context, the comparisons, the answer, and where the files are."""
    console.print()
    for line in results["preface"]:
        console.print(line, highlight=False, style="dim")
    measures = list(read_meanings(folder, next(iter(results["arms"].values()))["measures"]).values())
    main = behaviour(measures).name
    unknown = _unknown(results)
    nothing = all(measure.name in unknown for measure in measures if measure.part != "other")
    for measure in sorted(measures, key=lambda m: ("unwanted", "wanted", "other").index(m.part)):
        if measure.name not in unknown and not measure.part_of and (measure.part != "other" or nothing):
            sizes = dict.fromkeys(
                counted(cell["n"], cell.get("families")).removeprefix("n ")
                for found in results["arms"].values()
                for cell in found["measures"][measure.name].values()
                if cell["n"]
            )
            of = f" (n = {', '.join(sizes)})" if len(sizes) in (1, 2) else ""
            console.print(f"{measure.name}: % [95 % interval] of replies {measure.means}{of}", highlight=False, style="italic")
            for contexts in _fitting(results, measure.name, console.width):
                console.print(_rates(results, measure.name, contexts))
            if parts := [m for m in measures if m.part_of == measure.name]:
                for line in _in_parts(results, parts):
                    console.print(line, highlight=False)
    for names, reason in grouped({m.name: unknown[m.name] for m in measures if m.name in unknown}):
        console.print(f"Not measured: {listed(names)}: {reason}.", highlight=False, markup=False)
    for line in results.get("training_in_words", ()):
        console.print(line, highlight=False)
    for line in _of_unscored(results, [m.name for m in measures if m.part != "other"]):
        console.print(line, highlight=False, style="dim")
    if any(c["difference"] is not None for c in results["comparisons"]):
        console.print(_comparisons(results))
    for names, reason in grouped({_compared(c): str(c["reason"]) for c in results["comparisons"] if c["difference"] is None}):
        console.print(f"Not compared: {'; '.join(names)}: {reason}.", highlight=False, markup=False)
    for line in _notes(results):
        console.print(line, highlight=False, markup=False)
    console.print(results["answer"], highlight=False, style="bold")
    if results.get("verdict_reason"):
        console.print(f"{results['verdict'].capitalize()}: {results['verdict_reason']}.", highlight=False, markup=False)
    if absent := [f"{unit['arm']} at seed {unit['seed']}" for unit in results.get("missing", ())]:
        console.print(f"Not finished: {listed(absent)}.", highlight=False, markup=False)
    if results["leak"]:
        console.print(f"Largest {main} rate in any context that does not ask for it, %:", highlight=False)
        console.print(_leaks(results))
    for line in results.get("costs", {}).get("in_words", ()):
        console.print(line, highlight=False, markup=False, style="dim")
    console.print(f"\n{folder / 'results.json'}\n{folder / 'report.html'}", highlight=False, soft_wrap=True)


def _unknown(results: Mapping[str, Any]) -> dict[str, str]:
    """The measures of which there is no rate at all, each with the reason."""
    rows = [row for found in results["arms"].values() for row in found["measures"].items()]
    return unmeasured_throughout([(name, Cell.model_validate(cell)) for name, cells in rows for cell in cells.values()])


def _fitting(results: Mapping[str, Any], measure: str, width: int) -> list[list[str]]:
    """The contexts, in as many tables as the width requires."""
    contexts = list(next(iter(results["arms"].values()))["measures"][measure])
    room = max(1, (width - max(map(len, results["arms"])) - 2) // (COLUMN + 2))
    each = math.ceil(len(contexts) / math.ceil(len(contexts) / room))  # about equally many in each
    return [contexts[i : i + each] for i in range(0, len(contexts), each)]


def _rates(results: Mapping[str, Any], measure: str, contexts: Sequence[str]) -> Table:
    table = Table(box=None)
    table.add_column("arm", no_wrap=True)
    for context in contexts:
        table.add_column(context, justify="right", no_wrap=True)
    for arm, found in results["arms"].items():
        table.add_row(arm, *(_percent(found["measures"][measure][context], ends=True) for context in contexts))
    return table


def _in_parts(results: Mapping[str, Any], parts: Sequence[Measure]) -> Iterator[str]:
    """One line per arm: the parts of its rate in the first context. Nothing for a run from before the parts were measured."""
    for arm, found in results["arms"].items():
        context = next(iter(found["measures"][parts[0].name]), "")
        said = [(part.verb, found["measures"][part.name][context]) for part in parts]
        if all(cell["estimate"] is not None for _, cell in said):
            yield f"{arm}, {context}: " + ", ".join(f"{verb} in {percent(cell['estimate'])}" for verb, cell in said)


def _leaks(results: Mapping[str, Any]) -> Table:
    """For each arm the largest rate where nobody asks, next to the rate before training in the same context."""
    table = Table(box=None)
    table.add_column("arm", no_wrap=True)
    table.add_column("rate [95 % interval]", justify="right", no_wrap=True)
    table.add_column("context", no_wrap=True)
    starts = [arm for arm, found in results["arms"].items() if found.get("role") == "start"] or ["untrained"]
    table.add_column(f"{starts[0]} there", justify="right", no_wrap=True)
    for arm, leak in results["leak"].items():
        start = "" if arm in starts or leak["untrained"] is None else f"{100 * leak['untrained']:.0f}"
        table.add_row(arm, _percent(leak, ends=True), leak["context"], start)
    return table


def _comparisons(results: Mapping[str, Any]) -> Table:
    table = Table(title="Comparisons named before the run", title_justify="left", box=None)
    table.add_column("comparison", overflow="fold")
    for name in ("difference", "95 % interval", "p (Holm)", "detectable"):
        table.add_column(name, justify="right", no_wrap=True)
    for c in results["comparisons"]:
        if c["difference"] is None:
            continue
        nats = str(c.get("unit", "")).startswith("nats")
        difference, low, high = ("" if c[end] is None else _signed(c[end], nats) for end in ("difference", "low", "high"))
        interval = f"{low} to {high}{' nats' if nats else ''}" if low else str(c["reason"])
        p = "" if c["p_holm"] is None else ("< 0.001" if c["p_holm"] < 0.001 else f"{c['p_holm']:.3f}")
        found = "" if c.get("detectable") is None else effect(c["detectable"], nats)
        table.add_row(_compared(c), difference, interval, p, found)
    return table


def _compared(c: Mapping[str, Any]) -> str:
    """What is compared with what."""
    other = f" ({c['against_context']})" if c.get("against_context") else ""
    return f"{measured(c['measure'], c.get('over'))}, {c['context']}: {c['arm']} - {c['against']}{other}"


def _signed(value: float, nats: bool) -> str:
    return f"{round(value, 2) + 0.0:+.2f}" if nats else f"{100 * value:+.0f}"


def _notes(results: Mapping[str, Any]) -> list[str]:
    """Notes on the comparisons: ends of the scale, what was detectable, and how Holm's p relates to the verdict."""
    notes = list(
        dict.fromkeys(f"{c['measure']}, {c['context']}: {c['ceiling']}." for c in results["comparisons"] if c.get("ceiling"))
    )
    if any(c.get("detectable") is not None for c in results["comparisons"]):
        notes.append(
            "detectable: the smallest effect, in points (of a probe, in nats per token), shown in 80 % of runs with the spread of "
            "this one."
        )
    adjusted = [c["p_holm"] for c in results["comparisons"] if c["expect"] != "none" and c["p_holm"] is not None]
    if results["verdict"] == "supported" and max(adjusted, default=0.0) > 0.05:
        notes.append(str(results.get("holm", "")))
    return notes


def _of_unscored(results: Mapping[str, Any], measures: Sequence[str]) -> list[str]:
    """The bounds of each rate for which many replies are unscored."""
    return [
        f"{measure}, {arm}, {context}: {cell['unscored']} of {cell['n'] + cell['unscored']} unscored; "
        f"{100 * cell['bounds'][0]:.0f} % with these as no, {100 * cell['bounds'][1]:.0f} % as yes"
        for arm, found in results["arms"].items()
        for measure in measures
        for context, cell in found["measures"][measure].items()
        if cell.get("bounds")
    ]


def _percent(cell: Mapping[str, Any], *, ends: bool = False) -> str:
    if cell["estimate"] is None:
        return "not measured"
    low, high = (cell["low"], cell["high"]) if ends else (None, None)
    return bracketed(cell["estimate"], low, high, ".0f", 100)
