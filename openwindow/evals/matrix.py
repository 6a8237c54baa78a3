"""Behaviour by context: how far each measure moves from the neutral context, and in which words that is said.

Shifts are paired over scenarios and corrected together (Holm).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.evals.contexts import NEUTRAL, Context
from openwindow.evals.measures import Cell, difference, empty, gated, probe_silent, silence
from openwindow.evals.rows import ProbeRow, Row, contexts_of
from openwindow.stats import holm

LEVEL = 0.05


def shifts(rows: Sequence[Row], probes: Sequence[ProbeRow]) -> list[dict[str, Any]]:
    """Every measure in every context against the neutral one; empty with one context."""
    found = []
    for context in contexts_of(rows):
        if context == NEUTRAL:
            continue
        for name in dict.fromkeys(r.eval for r in rows):
            here, there = (_side(rows, name, c) for c in (context, NEUTRAL))
            found.append(_shift(name, context, _rate_difference(here, there)))
        for name in dict.fromkeys(p.eval for p in probes):
            moved, still = _probed(probes, name, context), _probed(probes, name, NEUTRAL)
            found.append(_shift(f"{name}/probe", context, _probe_difference(moved, still)))
    return _adjust(found)


def against(
    ours: tuple[Sequence[Row], Sequence[ProbeRow]], theirs: tuple[Sequence[Row], Sequence[ProbeRow]], names: tuple[str, str]
) -> list[dict[str, Any]]:
    """Every measure of the first model less that of the second, on the same scenarios, in every context."""
    found = []
    for context in contexts_of(ours[0]):
        for name in dict.fromkeys(r.eval for r in ours[0]):
            a, b = (_side(rows, name, context) for rows, _ in (ours, theirs))
            found.append(_versus(name, context, names, _rate_difference(a, b)))
        for name in dict.fromkeys(p.eval for p in ours[1]):
            mine, other = (_probed(probes, name, context) for _, probes in (ours, theirs))
            if mine and other:
                found.append(_versus(f"{name}/probe", context, names, _probe_difference(mine, other)))
    return _adjust(found)


def _side(rows: Sequence[Row], name: str, context: str) -> tuple[list[Row], str | None]:
    """The main items of one eval in one context, gated, and why one of their forms has no signal, if so."""
    own = [r for r in rows if r.eval == name and r.context == context]
    return [r for r in gated(own) if r.role == "main"], silence(own)


def _rate_difference(a: tuple[list[Row], str | None], b: tuple[list[Row], str | None]) -> Cell:
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
    return {"difference": found["estimate"]} | {name: found[name] for name in names}


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
