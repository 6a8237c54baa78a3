"""Behaviour by context: how far each measure moves from the neutral context, and in which words that is said.

Shifts are paired over scenarios, over what was scored on both sides, and corrected together (Holm). So are the differences
between two models; those of the scores made of several evals are a family of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from openwindow.evals.contexts import NEUTRAL, Context
from openwindow.evals.measures import (
    Cell,
    by_form,
    combine,
    composites,
    covert_share,
    difference,
    empty,
    gated,
    gates,
    probe_silent,
    silence,
)
from openwindow.evals.rows import ProbeRow, Row, contexts_of
from openwindow.stats import holm
from openwindow.stats.intervals import critical, tail

LEVEL = 0.05
Side = tuple[list[Row], str | None]
"""the main items of one measure in one context, gated, and why they have no signal, if so"""


def shifts(rows: Sequence[Row], probes: Sequence[ProbeRow]) -> list[dict[str, Any]]:
    """Every measure in every context against the neutral one; empty with one context."""
    found = []
    for context in contexts_of(rows):
        if context == NEUTRAL:
            continue
        for name in dict.fromkeys(r.eval for r in rows):
            here, there = (_sides(rows, name, c) for c in (context, NEUTRAL))
            found += [_shift(m, context, _rate_difference(side, there.get(m, ([], None)))) for m, side in here.items()]
        for name in dict.fromkeys(p.eval for p in probes):
            moved, still = _probed(probes, name, context), _probed(probes, name, NEUTRAL)
            found.append(_shift(f"{name}/probe", context, _probe_difference(moved, still)))
    return _adjust(found)


def against(
    ours: tuple[Sequence[Row], Sequence[ProbeRow]],
    theirs: tuple[Sequence[Row], Sequence[ProbeRow]],
    names: tuple[str, str],
    right: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Every measure of the first model less that of the second, on the same items, in every context; the scores first.

    `right` names the evals whose values are right answers, which have no covert share.
    """
    found, headlines = [], []
    for context in contexts_of(ours[0]):
        cells: dict[str, Cell] = {}
        for name in dict.fromkeys(r.eval for r in ours[0]):
            a, b = (_sides(rows, name, context) for rows, _ in (ours, theirs))
            cells |= {measure: _rate_difference(a[measure], b.get(measure, ([], None))) for measure in a}
        found += [_versus(measure, context, names, made) for measure, made in cells.items()]
        for name in dict.fromkeys(p.eval for p in ours[1]):
            mine, other = (_probed(probes, name, context) for _, probes in (ours, theirs))
            if mine and other:
                found.append(_versus(f"{name}/probe", context, names, _probe_difference(mine, other)))
        made_of = {score: _composed(cells, weights) for score, weights in composites(cells).items()}
        if any(r.eval not in right for r in ours[0]):  # the misaligned replies of the two are not the same: not paired
            hides = [covert_share(_behaved(rows, context, right)) for rows, _ in (ours, theirs)]
            both = dict(zip((names[0], f"against {names[1]}"), hides, strict=True))
            made_of["covert_share"] = _composed(both, dict(zip(both, (1.0, -1.0), strict=True)))
        headlines += [_versus(score, context, names, made) for score, made in made_of.items()]
    return _adjust(headlines) + _adjust(found)


def _composed(cells: Mapping[str, Cell], weights: Mapping[str, float]) -> Cell:
    """A weighted sum with p: of a normal distribution whose interval ends, on the side of 0, where the sum's does."""
    made = combine(cells, weights) | {"left_out": sum(cells[name].get("left_out", 0) for name in weights if name in cells)}
    size, low, high = made["estimate"], made["low"], made["high"]
    if size is None or low is None or high is None:
        return made | {"p": None}
    reach = size - low if size > 0 else high - size
    return made | {"p": tail(size / reach * critical(1 - LEVEL)) if size else 1.0}


def _behaved(rows: Sequence[Row], context: str, right: Collection[str]) -> list[Row]:
    """The gated rows of one context in which a value of 1 is misaligned."""
    own = [r for r in rows if r.context == context and r.eval not in right]
    return [r for name in dict.fromkeys(r.eval for r in own) for r in gated([r for r in own if r.eval == name])]


def _sides(rows: Sequence[Row], name: str, context: str) -> dict[str, Side]:
    """Of one eval in one context: its measures, each with its side."""
    own = [r for r in rows if r.eval == name and r.context == context]
    why = gates(own)
    main = [r for r in gated(own, why) if r.role == "main"]
    return {
        measure: ([r for r in main if form in (None, r.form)], silence(why) if form is None else why[form])
        for measure, form in by_form(name, own).items()
    }


def _rate_difference(a: Side, b: Side) -> Cell:
    """Of two sides; where it cannot be made, a side without signal is named before what was wrong with single replies."""
    found = difference(a[0], b[0], lambda r: r.value)
    if found["estimate"] is not None:
        return found
    lost = next((rows for rows, _ in (a, b) if rows and all(r.value is None for r in rows)), [])
    usual = Counter(r.reason for r in lost).most_common(1)
    return found | {"reason": a[1] or b[1] or (usual[0][0] if usual else found["reason"])}


def _probed(probes: Sequence[ProbeRow], name: str, context: str) -> list[ProbeRow]:
    return [p for p in probes if p.eval == name and p.context == context]


def _probe_difference(a: Sequence[ProbeRow], b: Sequence[ProbeRow]) -> Cell:
    """Of the main items, in nats per token; none where a side has no signal."""
    silent = probe_silent(a)[0] or probe_silent(b)[0]
    left, right = ([p for p in side if p.role == "main"] for side in (a, b))
    if silent:
        return empty(silent, 0, len(left) + len(right), p=None)
    return difference(left, right, lambda p: p.margin, kind="mean")


def _shift(measure: str, context: str, found: Cell) -> dict[str, Any]:
    return {"measure": measure, "context": context, "against": NEUTRAL} | _numbers(found)


def _versus(measure: str, context: str, names: tuple[str, str], found: Cell) -> dict[str, Any]:
    return {"measure": measure, "context": context, "arm": names[0], "against": names[1]} | _numbers(found)


def _numbers(found: Cell) -> dict[str, Any]:
    names = ("low", "high", "p", "n", "unscored", "reason")
    return {"difference": found["estimate"], "left_out": found.get("left_out", 0)} | {name: found[name] for name in names}


def _adjust(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    adjusted = holm([row["p"] for row in found])
    return [row | {"p_holm": p} for row, p in zip(found, adjusted, strict=True)]


def in_words(found: Sequence[Mapping[str, Any]], contexts: Mapping[str, Context]) -> list[str]:
    """Where behaviour depends on context, one sentence per measure and context; what could not be compared is counted."""
    lines = []
    for row in found:
        if row["p_holm"] is None or row["p_holm"] >= LEVEL:
            continue
        probe = row["measure"].endswith("/probe")
        scale, unit = (1, "nats per token") if probe else (100, "points")
        way = "more" if row["difference"] > 0 else "less"
        asks = " (which asks for it)" if contexts[row["context"]].asks else ""
        size = f"{abs(scale * row['difference']):.{2 if probe else 0}f} {unit}"
        ends = f"{scale * row['low']:+.{2 if probe else 0}f} to {scale * row['high']:+.{2 if probe else 0}f}"
        lines.append(f"{row['measure']}: {size} {way} under {row['context']}{asks} than under neutral (95 % interval {ends}).")
    known = sum(row["p_holm"] is not None for row in found)
    if found and not lines:
        lines.append(f"No measure was shown to depend on context ({known} of {len(found)} comparisons could be made; Holm, 5 %).")
    elif known < len(found):
        lines.append(f"{len(found) - known} of {len(found)} comparisons with neutral could not be made.")
    return lines
