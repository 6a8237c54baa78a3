"""All measures of one model in one context, from its rows and probes. Imports neither torch nor Inspect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.evals.base import Eval
from openwindow.evals.scoring.loud_failure import loud_measures
from openwindow.evals.scoring.measures import Cell, covert_share, empty, eval_measures, gated, scores
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
    return about | {"probed": sum(i.probe is not None for i in main), "scenarios": len({i.scenario for i in main})}


def cells_in(rows: Sequence[Row], probes: Sequence[ProbeRow], evals: About, context: str) -> dict[str, Cell]:
    """Measure to cell: the scores, the covert share, each eval's measures and probes, and loud failure; empty without a row."""
    cells: dict[str, Cell] = {}
    kept: list[Row] = []
    acted: list[list[Row]] = []
    for name, about in evals.items():
        own = [r for r in rows if r.eval == name and r.context == context]
        if not own:
            continue
        cells |= eval_measures(name, own, right=about["measures"] == "right")
        acted += [own] if about["suite"] == "agentic" else []
        kept += gated(own) if about["measures"] == "misaligned" else []
        if about["probed"]:
            probed = [p for p in probes if p.eval == name and p.context == context]
            cells |= probe_measures(name, probed) or {f"{name}/probe": empty(NO_PROBE, 0, about["probed"])}
    return scores(cells) | {"covert_share": covert_share(kept)} | cells | loud_measures(acted) if cells else {}
