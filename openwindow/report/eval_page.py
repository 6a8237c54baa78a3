"""The report of an eval: one offline file with the scores, the heat map of behaviour by context, and every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openwindow.evals.scoring.summary import HEADLINE
from openwindow.formatting import compact, duration
from openwindow.report import html
from openwindow.report.costs_section import costs_view
from openwindow.report.heat import heat, plain
from openwindow.report.readings import nats


def write_page(results: Mapping[str, Any], folder: Path) -> Path:
    """Writes report.html into the folder and returns its path. Raises StorageError."""
    return html.write_page(render(results), folder)


def render(results: Mapping[str, Any]) -> str:
    """The page as text."""
    measures: Mapping[str, Mapping[str, Any]] = results["measures"]
    contexts = list(results["contexts"])
    values = {
        "r": results,
        "headline": [(name, measures[name]["neutral"]) for name in HEADLINE if "neutral" in measures.get(name, {})],
        "contexts": contexts,
        "plains": plain(measures),
        "heat": heat(measures, results["shifts"], results["evals"], contexts),
        "comparisons": results.get("comparisons", []),
        "missing": _missing(measures),
        "facts": _facts(results),
        "costs": costs_view(results.get("costs", {})),
    }
    return html.filled("eval.html.jinja", html.THEME, values, filters={"nats": nats})


def _missing(measures: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(f"{m}, {c}", cell["reason"]) for m, by in measures.items() for c, cell in by.items() if cell["estimate"] is None]


def _facts(results: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    judge = results["judge"]["model"]
    facts = [
        ("model", results["model"]),
        ("suites", ", ".join(results["suites"])),
        ("judge", judge or "none: replies that rules cannot read are unscored"),
        ("repeats of each item", str(len(results["seeds"]))),
        ("probes", f"{results['probes']['unit']}; version {results['probes']['version']}"),
        *([("contexts", results["prompting"]["note"])] if results["prompting"]["note"] else []),
        ("openwindow, inspect_ai", f"{results['openwindow']}, {results['inspect_ai']}"),
        ("evals", ", ".join(f"{name} v{e['version']}" for name, e in results["evals"].items())),
    ]
    facts += [(name, compact(value)) for name, value in results["settings"].items()]
    return facts + [(f"time: {phase}", duration(seconds)) for phase, seconds in results["timing"].items()]
