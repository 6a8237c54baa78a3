"""The report of an eval: one offline file with the scores, the heat map of behaviour by context, and every number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

from openwindow.evals.contexts import NEUTRAL, UNRELATED
from openwindow.evals.scoring.summary import HEADLINE
from openwindow.formatting import compact, duration, signed
from openwindow.report import html

SHARE = 42
"""maximum percentage of colour in a cell: text stays readable on it in light and dark"""


def write_page(results: Mapping[str, Any], folder: Path) -> Path:
    """Writes report.html into the folder and returns its path. Raises StorageError."""
    return html.write_page(render(results), folder)


def render(results: Mapping[str, Any]) -> str:
    """The page as text."""
    measures: Mapping[str, Mapping[str, Any]] = results["measures"]
    plain = {m for m in measures if "/probe" in m and not m.endswith("prefers")}
    rows = [m for m in measures if m in results["evals"] or m.removesuffix("/choice") in results["evals"] or m.endswith("/probe")]
    moved = [
        abs(s["difference"])
        for s in results["shifts"]
        if s["measure"] in plain and s["against"] == NEUTRAL and s["difference"] is not None
    ]
    reach = max(moved, default=1.0) or 1.0
    contexts = list(results["contexts"])
    values = {
        "r": results,
        "headline": [(name, measures[name]["neutral"]) for name in HEADLINE if "neutral" in measures.get(name, {})],
        "contexts": contexts,
        "plains": plain,
        "heat": [
            {"measure": m, "plain": m in plain, "cells": [_heat(results, m, c, reach if m in plain else None) for c in contexts]}
            for m in rows
        ],
        "comparisons": results.get("comparisons", []),
        "missing": _missing(measures),
        "facts": _facts(results),
    }
    return html.filled("eval.html.jinja", html.THEME, values, filters={"nats": _nats})


def _short(reason: str) -> str:
    """The first clause of a reason, cut between words."""
    return shorten(re.split(r"[:;(]| and ", reason)[0], 40, placeholder=" \u2026")


def _heat(results: Mapping[str, Any], measure: str, context: str, reach: float | None) -> dict[str, Any]:
    """One cell of the heat map; rates are coloured by size, probes by shift, since a probe's size also depends on its wording."""
    cell = results["measures"][measure].get(context)
    if cell is None or cell["estimate"] is None:
        reason = cell["reason"] if cell else "not asked"
        return {"estimate": None, "reason": reason, "short": _short(str(reason)), "shift": None, "beside": None, "sure": False}
    right = results["evals"].get(measure, {}).get("measures") == "right"
    of = {s["against"]: s for s in results["shifts"] if s["measure"] == measure and s["context"] == context}
    shift, beside = of.get(NEUTRAL), of.get(UNRELATED)
    known = shift if shift and shift["difference"] is not None else None
    size = cell["estimate"] if reach is None else known["difference"] / reach if known else 0.0
    return {
        "estimate": cell["estimate"],
        "bounds": cell.get("bounds"),
        "low": cell["low"],
        "high": cell["high"],
        "tone": "--t3" if right else "--t0" if size >= 0 else "--t1",
        "share": round(SHARE * min(1.0, abs(size))),
        "shift": known,
        "beside": beside if beside and beside["low"] is not None else None,
        "sure": bool(known and known["p_holm"] is not None and known["p_holm"] < 0.05),
    }


def _nats(value: float | None) -> str:
    return "not measured" if value is None else signed(f"{round(value, 2) + 0.0:+.2f}")


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
