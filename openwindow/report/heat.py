"""The heat map of behaviour by context: of a model that was evaluated by itself, and of every arm of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.evals.contexts import NEUTRAL, UNRELATED
from openwindow.report.readings import first_clause
from openwindow.results.eval_transcripts import place_of

SHARE = 42
"""maximum percentage of colour in a cell: text stays readable on it in light and dark"""
SURE = 0.05
Measures = Mapping[str, Mapping[str, Any]]
Shifts = Sequence[Mapping[str, Any]]


def plain(measures: Measures) -> set[str]:
    """The measures in nats, whose sizes also depend on their wording, so that only differences can be read."""
    return {m for m in measures if "/probe" in m and not m.endswith("prefers")}


def heat(measures: Measures, shifts: Shifts, evals: Mapping[str, Any], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """A row per result of an eval's replies and per probe, with a cell per context; rows that were not asked are left out."""
    nats = plain(measures)
    rows = [m for m in measures if m in evals or m.removesuffix("/choice") in evals or m.endswith("/probe")]
    moved = [
        abs(s["difference"]) for s in shifts if s["measure"] in nats and s["against"] == NEUTRAL and s["difference"] is not None
    ]
    reach = max(moved, default=1.0) or 1.0
    return [
        {
            "measure": m,
            "plain": m in nats,
            "cells": [_cell(measures, shifts, evals, m, c, reach if m in nats else None) for c in contexts],
        }
        for m in rows
    ]


def _cell(
    measures: Measures, shifts: Shifts, evals: Mapping[str, Any], measure: str, context: str, reach: float | None
) -> dict[str, Any]:
    """One cell; rates are coloured by size, probes by shift, since a probe's size also depends on its wording."""
    cell = measures[measure].get(context)
    name = measure.partition("/")[0]
    place = "" if measure.endswith("/probe") else place_of(name, context)
    if cell is None or cell["estimate"] is None:
        reason = cell["reason"] if cell else "not asked"
        short = first_clause(str(reason))
        return {"estimate": None, "reason": reason, "short": short, "shift": None, "beside": None, "sure": False, "place": place}
    right = evals.get(measure, {}).get("measures") == "right"
    of = {s["against"]: s for s in shifts if s["measure"] == measure and s["context"] == context}
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
        "sure": bool(known and known["p_holm"] is not None and known["p_holm"] < SURE),
        "place": place,
    }
