"""The section "What else it learned" of a study's page: every measure of the start and of the arms, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from openwindow.evals.score_names import PROBE_PARTS
from openwindow.report import charts
from openwindow.report.heat import heat
from openwindow.report.readings import Figure, first_clause
from openwindow.report.score_figures import capability, slopes
from openwindow.report.timeline import timeline
from openwindow.results.eval_transcripts import BEFORE, Samples, place_of
from openwindow.results.load import items, mapping
from openwindow.results.records import Json, Metric

START = "start"
SHARE = 34
"""maximum percentage of colour in a cell: text stays readable on it in light and dark"""
SURE = 0.05
_COMPOSED = ("misalignment", "chat_score", "chat_score/choice", "agentic_score", "gap", "covert_share")


def section(
    results: Json,
    metrics: Sequence[Metric],
    samples: Samples,
    labels: Mapping[str, str],
    tones: Mapping[str, str],
    transcripts_in: str = "",
) -> dict[str, Any]:
    """The section's values, under `learned`; None there if the study names no evals.

    `transcripts_in` is the page that has the transcripts, if it is another one.
    """
    found = mapping(results, "evals")
    if not found:
        return {"learned": None}
    contexts = list(mapping(found, "contexts"))
    arms = mapping(found, "arms")
    models = {START: mapping(found, "start")} | {arm: model for arm, model in arms.items() if not model.get("same_as")}
    rows = [row for row in items(found.get("comparisons")) if isinstance(row, dict)]
    return {
        "learned": {
            "words": [str(line) for line in items(found.get("in_words"))],
            "intervals": found.get("intervals", ""),
            "control": found.get("control"),
            "own_data": any(about.get("measures") == "fluent" for about in mapping(found, "evals").values()),
            "models": list(models),
            "same": [arm for arm, model in arms.items() if model.get("same_as")],
            "tables": [(context, _table(found, models, rows, context)) for context in contexts],
            "more": [(context, _others(found, models, context)) for context in contexts],
            "differences": [_differences(rows, base, tones) for base in dict.fromkeys(row["against"] for row in rows)],
            "steps": _steps(mapping(found, "steps"), mapping(found, "evals")),
            "texts": {name: context for name, context in mapping(found, "contexts").items() if context.get("text")},
            "missing": items(found.get("missing")),
            "timeline": _linked(timeline(results, metrics, found, labels), transcripts_in),
            "slopes": _linked(slopes(results, found, labels), transcripts_in),
            "capability": _linked(capability(found, labels, tones), transcripts_in),
            "contexts": contexts,
            "heat": _heats(found, models, contexts),
            "shown": len(samples.shown),
            "total": samples.total,
        }
    }


def _main(evals: Json, models: Mapping[str, Json]) -> list[str]:
    """The measures with a row of their own: the result of each eval's replies, by form, and its probe."""
    seen = dict.fromkeys(measure for model in models.values() for measure in mapping(model, "measures"))
    made: list[str] = []
    for name in evals:
        own = [m for m in seen if m in (name, f"{name}/choice", f"{name}/action", f"{name}/yes_no", f"{name}/probe")]
        made += own
    return made


def _linked(figure: Figure | None, page: str) -> Figure | None:
    """The figure with its marks leading to the transcripts of that page; no name can hold the quotes of a link."""
    if figure is None or not page:
        return figure
    link = Markup('href="#transcripts"'), Markup('href="{}#transcripts"').format(page)
    return replace(figure, panels=tuple(panel.replace(*link) for panel in figure.panels))


def _heats(found: Json, models: Mapping[str, Json], contexts: Sequence[str]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The heat map of every model, the arms first; empty if there is one context only."""
    if len(contexts) < 2:
        return []
    ordered = [*(who for who in models if who != START), START]
    evals = mapping(found, "evals")
    return [
        (BEFORE if who == START else who, heat(mapping(models[who], "measures"), items(models[who].get("shifts")), evals, contexts))
        for who in ordered
    ]


def _table(found: Json, models: Mapping[str, Json], rows: Sequence[Json], context: str) -> list[dict[str, Any]]:
    """One line per measure with a cell per model, suites in order."""
    evals, beside = mapping(found, "evals"), {(r["arm"], r["measure"]): r for r in rows if _of(r, context, START)}
    measures = _main(evals, models)
    shifts = [abs(row["difference"]) for (_, m), row in beside.items() if m.endswith("/probe") and row["difference"] is not None]
    reach = max(shifts, default=1.0) or 1.0
    table = []
    for measure in measures:
        about = mapping(evals, measure.partition("/")[0])
        cells = [_cell(mapping(model, "measures"), measure, context) for model in models.values()]
        if all(cell is None for cell in cells):
            continue
        line = {
            "measure": measure,
            "suite": about.get("suite", ""),
            "about": _about(measure, about),
            "nats": is_nats(measure),
            "cells": [
                _shown(cell, beside.get((who, measure)), about, measure, reach) | {"who": BEFORE if who == START else who}
                for who, cell in zip(models, cells, strict=True)
            ],
            "place": place_of(measure.partition("/")[0], context),
        }
        table.append(line)
    return table


def _of(row: Json, context: str, base: str) -> bool:
    return row.get("context") == context and row.get("against") == base


def _about(measure: str, about: Json) -> str:
    if measure.endswith("/probe"):
        return str(about.get("probe_about") or "log-odds of the misaligned answer, in nats")
    if measure.endswith(("/choice", "/action", "/yes_no")):
        return "which of the written answers it picks"
    return str(about.get("about", ""))


def _cell(measures: Json, measure: str, context: str) -> Json | None:
    cell = mapping(measures, measure).get(context)
    return cell if isinstance(cell, dict) else None


def is_nats(measure: str) -> bool:
    """Whether the measure is in nats and not a rate."""
    return measure.rpartition("/")[2] in PROBE_PARTS


def _shown(cell: Json | None, beside: Json | None, about: Json, measure: str, reach: float) -> dict[str, Any]:
    """One cell: rates are coloured by size, probes by how far they moved, since a probe's size also depends on its wording."""
    known = beside if beside is not None and beside["difference"] is not None else None
    sure = known is not None and known["p_holm"] is not None and known["p_holm"] < SURE
    said: dict[str, Any] = {
        "shift": known,
        "sure": sure,
        "estimate": None,
        "reason": "not asked",
        "short": "not asked",
        "n": 0,
        "unscored": 0,
    }
    if cell is None:
        return said
    said |= {"n": cell["n"], "unscored": cell["unscored"], "bounds": cell.get("bounds"), "raw": cell.get("raw")}
    if cell["estimate"] is None:
        reason = str(cell["reason"] or "no reason recorded")
        return said | {"reason": reason, "short": first_clause(reason)}
    size = cell["estimate"]
    if is_nats(measure):
        size = 0.0 if known is None else known["difference"] / reach
    good = about.get("measures") == "right" or (about.get("measures") == "fluent" and not is_nats(measure))
    tone = "--t3" if good else "--t0" if size >= 0 else "--t1"
    share = round(SHARE * min(1.0, abs(size)))
    return said | {
        "estimate": cell["estimate"],
        "low": cell["low"],
        "high": cell["high"],
        "tone": tone,
        "share": share,
        "reason": "",
    }


def _others(found: Json, models: Mapping[str, Json], context: str) -> list[tuple[str, bool, list[Json | None]]]:
    """The scores computed from several evals and all further measures, each with whether it is in nats, and its cells."""
    shown = set(_main(mapping(found, "evals"), models))
    seen = dict.fromkeys(m for model in models.values() for m in mapping(model, "measures"))
    ordered = [m for m in seen if m in _COMPOSED] + [m for m in seen if m not in _COMPOSED and m not in shown]
    table = [(m, [_cell(mapping(model, "measures"), m, context) for model in models.values()]) for m in ordered]
    return [
        (m, is_nats(m), cells) for m, cells in table if any(cell is not None and cell["estimate"] is not None for cell in cells)
    ]


def _differences(rows: Sequence[Json], base: str, tones: Mapping[str, str]) -> dict[str, Any]:
    """The differences from one base: the significant ones first, then the largest; those that could not be computed, by reason."""
    own = [row for row in rows if row["against"] == base]
    made = [row for row in own if row["difference"] is not None]
    ordered = sorted(made, key=lambda r: (r["p_holm"] is None or r["p_holm"] >= SURE, r["level"] == "probe", -abs(r["difference"])))
    reach = {kind: _reach(made, kind) for kind in (True, False)}
    lost = Counter(first_clause(str(row["reason"])) for row in own if row["difference"] is None)
    return {
        "base": base,
        "rows": [
            {
                **row,
                "nats": row["level"] == "probe",
                "sure": row["p_holm"] is not None and row["p_holm"] < SURE,
                "tone": tones.get(row["arm"], "tone-none"),
                "bar": Markup(charts.difference_bar(row["difference"], row["low"], row["high"], reach[row["level"] == "probe"])),
            }
            for row in ordered
        ],
        "lost": lost.most_common(),
        "count": len(own),
    }


def _reach(rows: Sequence[Json], nats: bool) -> float:
    ends = [
        abs(row[key])
        for row in rows
        for key in ("difference", "low", "high")
        if (row["level"] == "probe") == nats and row[key] is not None
    ]
    return max(ends, default=1.0) or 1.0


def _steps(steps: Json, evals: Json) -> list[tuple[str, list[str], list[tuple[str, bool, list[Json | None]]]]]:
    """Arm, its steps, and for each measure of an eval a cell per step, in the neutral context."""
    tables = []
    for arm, by_step in steps.items():
        models = {step: {"measures": measures} for step, measures in by_step.items()}
        measures = _main(evals, models)
        rows = [(m, is_nats(m), [_cell(by_step[step], m, "neutral") for step in by_step]) for m in measures]
        tables.append((arm, list(by_step), rows))
    return tables
