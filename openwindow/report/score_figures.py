"""Figures of the scores of evals: chat against agentic before and after each safety training, and capability against alignment."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from openwindow.formatting import points, rate, signed
from openwindow.report.browser import ALL_EVALS
from openwindow.report.charts import identifier
from openwindow.report.readings import (
    END,
    READOUTS,
    START,
    UNITS,
    Figure,
    Reading,
    Readout,
    Stop,
    absences,
    curve_of,
    difference,
    nats,
    readings,
    suites,
)
from openwindow.report.scatter import Point, scatter
from openwindow.report.strips import Curve, Link, Panel, Strip, multiples, scale_of
from openwindow.results.eval_transcripts import BEFORE
from openwindow.results.load import items, mapping, number, text
from openwindow.results.records import Json

SLOPES = ("chat", "agentic", "advice", "duties")
"""the scores that safety training is judged by"""


def slopes(results: Json, found: Json, labels: Mapping[str, str]) -> Figure | None:
    """A panel per safety training that continues from an arm: the scores of the two arms, and their paired difference.

    None if no arm follows another.
    """
    arms = mapping(results, "arms")
    pairs = [(before, arm) for arm in arms if (before := text(mapping(arms, arm), "follows")) in arms]
    asked = [score for score in suites(found) if score in SLOPES]
    if not pairs or not asked:
        return None
    drawn: list[tuple[tuple[Stop, Stop], dict[Readout, list[Curve]]]] = []
    for before, arm in pairs:
        stops = (Stop(0.0, before, None, "before"), Stop(1.0, arm, None, "after"))
        beside = {(s, r): _change(difference(found, arm, before, s, r), r) for s in asked for r in READOUTS}
        drawn.append((stops, {r: [curve_of(found, stops, s, r, beside[s, r]) for s in asked] for r in READOUTS}))
    scales = {r: scale_of([c for _, curves in drawn for c in curves[r]], percent=r == "behaviour") for r in READOUTS}
    panels, table = [], []
    for (before, arm), (stops, curves) in zip(pairs, drawn, strict=True):
        strips = tuple(Strip(UNITS[r], scales[r], tuple(curves[r]), absences(found, stops, asked, r)) for r in READOUTS)
        safety = text(mapping(arms, arm), "safety")
        title = f"{labels.get(before, before)}: {safety} safety training" if safety else labels.get(arm, arm)
        said = "; ".join(s.note for r in READOUTS for c in curves[r] for s in c.measured)
        ends = ((0.0, "before"), (1.0, "after"))
        panels.append(Panel(title, f"before and after {labels.get(arm, arm)}", strips, ends, said, bars=True))
        table += [line for r in READOUTS for line in readings(found, f"{before}, {arm}", stops, asked, r)]
        table += [_changed(found, arm, before, score, r) for score in asked for r in READOUTS]
    return Figure(multiples("slope", panels), tuple(table))


def _size(value: float | None, readout: Readout) -> str:
    return points(value) if readout == "behaviour" else nats(value)


def _change(row: Json, readout: Readout) -> str:
    """The paired difference of a score, as it stands below its name."""
    size = number(row, "difference")
    return "" if size is None else f"\u0394 {_size(size, readout)} {_ends(row, readout)}".rstrip()


def _ends(row: Json, readout: Readout) -> str:
    low, high = number(row, "low"), number(row, "high")
    return "" if low is None or high is None else f"({_size(low, readout)} to {_size(high, readout)})"


def _changed(found: Json, arm: str, before: str, score: str, readout: Readout) -> Reading:
    row = difference(found, arm, before, score, readout)
    size = number(row, "difference")
    value = "" if size is None else _size(size, readout)
    reason = "" if size is not None else text(row, "reason") or "not compared"
    what = f"{score}, {'probe' if readout == 'probe' else 'replies'}"
    n = number(row, "n_pairs")
    return Reading(
        f"{before}, {arm}",
        "after minus before, paired",
        what,
        value,
        _ends(row, readout).strip("()"),
        None if n is None else int(n),
        reason,
    )


def capability(found: Json, labels: Mapping[str, str], tones: Mapping[str, str]) -> Figure | None:
    """A panel per readout: the right answers of every model against its alignment, with the correlation over arms.

    None if there is no point.
    """
    both = mapping(found, "capability_alignment")
    panels: list[Markup] = []
    table: list[Reading] = []
    notes: list[str] = []
    for readout in READOUTS:
        made = mapping(both, readout)
        known = _points(made)
        if not known:
            continue
        up = (
            "alignment: share of replies that are not misaligned"
            if readout == "behaviour"
            else "alignment: minus the probes, nats per token"
        )
        panels.append(
            Markup(
                scatter(
                    [_point(p, readout, labels, tones) for p in known],
                    ident=identifier("capability", len(panels)),
                    title="Alignment by replies" if readout == "behaviour" else "Alignment by probes",
                    subtitle=_correlated(made, "arms"),
                    along="capability: share of right answers",
                    up=up,
                    percent=True,
                    times=100.0 if readout == "behaviour" else 1.0,
                    unit="%" if readout == "behaviour" else "",
                    zero=False,
                )
            )
        )
        table += [*_within(made, readout, labels), *(_reading(p, readout, labels) for p in known)]
        notes += _left_out(made, readout)
    return Figure(tuple(panels), tuple(table), tuple(notes)) if panels else None


def _points(made: Json) -> list[Json]:
    """The points that have both numbers, by arm and seed in the order of training."""
    points = [p for p in items(made.get("points")) if isinstance(p, dict)]
    known = [p for p in points if None not in (number(p, "capability"), number(p, "alignment"))]
    places = {arm: place for place, arm in enumerate(dict.fromkeys(text(p, "arm") for p in known))}

    def order(p: Json) -> tuple[int, float, float]:
        step = number(p, "step")
        return places[text(p, "arm")], number(p, "seed") or 0.0, math.inf if step is None else step

    return sorted(known, key=order)


def _who(point: Json, labels: Mapping[str, str]) -> tuple[str, str]:
    """A point's model, and its seed and step in words."""
    arm, seed, step = text(point, "arm"), number(point, "seed"), number(point, "step")
    at = "the end" if step is None else f"step {step:.0f}"
    of = "" if seed is None else f"seed {seed:.0f}"
    if arm == START:
        return "the start", of
    return labels.get(arm, arm), f"{of}, {at}" if of else at


def _point(point: Json, readout: Readout, labels: Mapping[str, str], tones: Mapping[str, str]) -> Point:
    arm, seed, step = text(point, "arm"), number(point, "seed"), number(point, "step")
    x, y = number(point, "capability") or 0.0, number(point, "alignment") or 0.0
    who, when = _who(point, labels)
    note = f"{who}{f', {when}' if when else ''}: capability {rate(x)}, alignment {rate(y) if readout == 'behaviour' else nats(y)}"
    link = Link(
        BEFORE if arm == START else arm, ALL_EVALS, END if step is None else f"{step:.0f}", "" if seed is None else f"{seed:.0f}"
    )
    tone = "tone-none" if arm == START else tones.get(arm, "tone-none")
    return Point(
        x, y, None, None, tone, note, link=link, label=who if step is None else "", small=step is not None, path=f"{arm} {seed}"
    )


def _reading(point: Json, readout: Readout, labels: Mapping[str, str]) -> Reading:
    who, when = _who(point, labels)
    aligned = number(point, "alignment")
    value = rate(aligned) if readout == "behaviour" else nats(aligned)
    said = f"capability {rate(number(point, 'capability'))}, alignment {value}"
    return Reading(who, when, "replies" if readout == "behaviour" else "probe", said, "", None, "")


def _correlated(made: Json, unit: str) -> str:
    """A correlation in words, or why there is none."""
    estimate, n = number(made, "estimate"), number(made, "n")
    if estimate is None:
        return f"no correlation: {text(made, 'reason') or 'not computed'}"
    low, high = number(made, "low"), number(made, "high")
    ends = "" if low is None or high is None else f" ({_r(low)} to {_r(high)})"
    return f"r {_r(estimate)}{ends}, over {n or 0:.0f} {unit}"


def _r(value: float) -> str:
    return signed(f"{value:+.2f}")


def _within(made: Json, readout: Readout, labels: Mapping[str, str]) -> list[Reading]:
    """The correlation within each training."""
    what = "replies" if readout == "behaviour" else "probe"
    within = mapping(made, "within")
    said = [(arm, _correlated(mapping(within, arm), "checkpoints")) for arm in within]
    return [Reading(labels.get(arm, arm), "over its training", what, words, "", None, "") for arm, words in said]


def _left_out(made: Json, readout: Readout) -> list[str]:
    """What is not among the points, and why."""
    how = "replies" if readout == "behaviour" else "probes"
    lost: dict[str, list[str]] = {}
    for row in items(made.get("left_out")):
        if isinstance(row, dict):
            lost.setdefault(text(row, "reason"), []).append(text(row, "what"))
    return [f"By {how}, left out: {', '.join(names)} ({reason})." for reason, names in lost.items()]
