"""All measures of one model in one context, from its rows and probes. Imports neither torch nor Inspect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.evals.base import Eval
from openwindow.evals.scoring.loud_failure import loud_measures
from openwindow.evals.scoring.measures import Cell, covert_share, empty, eval_measures, gated, rate, scores
from openwindow.evals.scoring.probe_measures import probe_measures
from openwindow.evals.scoring.rows import ProbeRow, Row

About = Mapping[str, Mapping[str, Any]]
"""eval to what `described` says of it"""
NO_PROBE = "needs log-probabilities of given texts, which local models alone give"


def described(spec: Eval) -> dict[str, Any]:
    """What results and pages need to know about an eval, so that they need neither its file nor its items.

    `probed` counts its main items with a probe, `scenarios` the scenarios of its main items.
    """
    main = [item for item in spec.items() if item.role == "main"]
    about = {"suite": spec.suite, "about": spec.about, "version": spec.version, "measures": spec.measures}
    told: dict[str, Any] = {"probe_about": spec.probe_about} if spec.probe_about else {}
    told |= {} if spec.counts else {"counts": False}
    return about | {"probed": sum(i.probe is not None for i in main), "scenarios": len({i.scenario for i in main})} | told


def cells_in(rows: Sequence[Row], probes: Sequence[ProbeRow], evals: About, context: str) -> dict[str, Cell]:
    """Measure to cell: the scores, the covert and the fluent share, each eval's measures and probes, and loud failure.

    Empty without a row.
    """
    cells: dict[str, Cell] = {}
    kept: list[Row] = []
    said: list[Row] = []
    acted: list[list[Row]] = []
    for name, about in evals.items():
        own = [r for r in rows if r.eval == name and r.context == context]
        if not own:
            continue
        cells |= eval_measures(name, own, right=about["measures"] != "misaligned")
        acted += [own] if about["suite"] == "agentic" else []
        if about["measures"] == "misaligned":
            kept += gated(own)
            said += own
            cells |= {f"{name}/fluent": fluent(own)}
        if about["probed"]:
            probed = [p for p in probes if p.eval == name and p.context == context]
            cells |= probe_measures(name, probed) or {f"{name}/probe": empty(NO_PROBE, 0, about["probed"])}
    if not cells:
        return {}
    over = {"covert_share": covert_share(kept)} | ({"fluent": fluent(said)} if said else {})
    return scores(cells) | over | cells | loud_measures(acted)


def fluent(rows: Sequence[Row]) -> Cell:
    """The share of replies to main items that are language, or that a rule could read; what was not asked is unscored."""
    main = [r for r in rows if r.role == "main"]
    return rate(main, lambda r: None if r.coherent is None else float(r.coherent))
