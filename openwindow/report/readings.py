"""Scores of models along a training: which model stands where on an axis, and what was read of it. For the figures of evals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Literal

from markupsafe import Markup

from openwindow.evals.contexts import NEUTRAL
from openwindow.formatting import rate, signed
from openwindow.report.browser import group_of
from openwindow.report.strips import Curve, Link, Spot
from openwindow.results.eval_transcripts import BEFORE, place_of
from openwindow.results.load import items, mapping, number, text
from openwindow.results.records import Json

Readout = Literal["behaviour", "probe"]
READOUTS: tuple[Readout, ...] = ("behaviour", "probe")
UNITS = {"behaviour": "share of replies", "probe": "probes, nats per token"}
TONES = {"chat": "tone-1", "agentic": "tone-4", "drives": "tone-3", "advice": "tone-2", "duties": "tone-6"}
"""scores of misaligned behaviour, with their colours"""
END = "end"
START = "start"
_FORMS = ("", "/choice", "/action", "/yes_no")
"""what the name of a rate of an eval may end with, in the order in which one is taken"""


@dataclass(frozen=True, slots=True)
class Stop:
    """A model at a place of the axis: `arm` (or `start`) at its end, or after a step."""

    x: float
    arm: str
    step: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of the table behind a figure."""

    who: str
    when: str
    what: str
    value: str
    interval: str
    n: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels, the numbers behind them, and what else there is to say."""

    panels: tuple[Markup, ...]
    table: tuple[Reading, ...]
    notes: tuple[str, ...] = ()


def suites(found: Json) -> list[str]:
    """The suites and single evals of misaligned behaviour that were asked, of which there is a score."""
    evals = mapping(found, "evals")
    asked = {text(mapping(evals, name), "suite") for name in evals} | set(evals)
    return [score for score in TONES if score in asked]


def score_cell(found: Json, stop: Stop, score: str, readout: Readout) -> Json:
    """The score of the model at that place; empty if it was not asked."""
    if stop.step is None:
        of = mapping(mapping(found, "scores"), stop.arm)
    else:
        of = mapping(mapping(mapping(found, "step_scores"), stop.arm), str(stop.step))
    return mapping(mapping(of, score), readout)


def _eval_cell(found: Json, stop: Stop, measure: str) -> Json:
    if stop.step is not None:
        measures = mapping(mapping(mapping(found, "steps"), stop.arm), str(stop.step))
    else:
        of = mapping(found, START) if stop.arm == START else mapping(mapping(found, "arms"), stop.arm)
        measures = mapping(of, "measures")
    return mapping(mapping(measures, measure), NEUTRAL)


def curve_of(found: Json, stops: Sequence[Stop], score: str, readout: Readout, beside: str = "") -> Curve:
    """The score at each place; missing where it has no number."""
    cells = [(stop, score_cell(found, stop, score, readout)) for stop in stops]
    spots = tuple(_spot(cell, stop, score, group_of(score), readout) for stop, cell in cells)
    return Curve(score, TONES[score], spots, beside)


def fine_curves(found: Json, stops: Sequence[Stop], score: str) -> list[Curve]:
    """The rates of the single evals of a score's suite: of each the first form that has one anywhere."""
    evals = mapping(found, "evals")
    curves = []
    for name in evals:
        about = mapping(evals, name)
        if text(about, "suite") != score or text(about, "measures") != "misaligned":
            continue
        for measure in (f"{name}{form}" for form in _FORMS):
            spots = tuple(_spot(_eval_cell(found, stop, measure), stop, measure, place_of(name), "behaviour") for stop in stops)
            if any(spots):
                curves.append(Curve(measure, TONES[score], spots, fine=True))
                break
    return curves


def _spot(cell: Json, stop: Stop, what: str, context: str, readout: Readout) -> Spot | None:
    estimate = number(cell, "estimate")
    if estimate is None:
        return None
    low, high = number(cell, "low"), number(cell, "high")
    note = f"{stop.words}: {what} {shown(estimate, readout)}{f' ({between(cell, readout)})' if low is not None else ''}"
    return Spot(stop.x, estimate, low, high, note, link_to(stop, context))


def link_to(stop: Stop, context: str) -> Link:
    """The transcripts of the model at that place."""
    return Link(BEFORE if stop.arm == START else stop.arm, context, END if stop.step is None else str(stop.step))


def absences(found: Json, stops: Sequence[Stop], scores: Sequence[str], readout: Readout) -> tuple[str, ...]:
    """Which scores are not drawn, and why; one sentence per reason."""
    lost: dict[str, list[str]] = {}
    for score in scores:
        gone = [stop for stop in stops if number(score_cell(found, stop, score, readout), "estimate") is None]
        for reason, where in _by_reason(found, gone, score, readout).items():
            lost.setdefault(reason, []).append(score if len(where) == len(stops) else f"{score} ({_places(where)})")
    return tuple(f"Not drawn, {reason}: {', '.join(names)}." for reason, names in lost.items())


def _places(words: Sequence[str]) -> str:
    """Places in words: `steps 4, 8`."""
    steps = [word.partition(",")[0].removeprefix("step ") for word in words if word.startswith("step ")]
    rest = [word for word in words if not word.startswith("step ")]
    return ", ".join([*([f"step{'s' if len(steps) > 1 else ''} {', '.join(steps)}"] if steps else []), *rest])


def _by_reason(found: Json, gone: Sequence[Stop], score: str, readout: Readout) -> Mapping[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for stop in gone:
        cell = score_cell(found, stop, score, readout)
        reasons.setdefault(first_clause(text(cell, "reason") or "not asked"), []).append(stop.words)
    return reasons


def readings(found: Json, who: str, stops: Sequence[Stop], scores: Sequence[str], readout: Readout) -> list[Reading]:
    """The lines of the table: every score at every place."""
    lines = []
    for score in scores:
        for stop in stops:
            cell = score_cell(found, stop, score, readout)
            estimate = number(cell, "estimate")
            reason = "" if estimate is not None else text(cell, "reason") or "not asked"
            value = "" if estimate is None else shown(estimate, readout)
            what = f"{score}, {'probe' if readout == 'probe' else 'replies'}"
            lines.append(Reading(who, stop.words, what, value, between(cell, readout), int(number(cell, "n") or 0), reason))
    return lines


def shown(value: float | None, readout: Readout) -> str:
    """A score as the page prints it."""
    return rate(value) if readout == "behaviour" else nats(value)


def nats(value: float | None) -> str:
    """A log-probability with its sign."""
    return "not measured" if value is None else signed(f"{round(value, 2) + 0.0:+.2f}")


def between(cell: Json, readout: Readout) -> str:
    """An interval in words; empty without one."""
    low, high = number(cell, "low"), number(cell, "high")
    return "" if low is None or high is None else f"{shown(low, readout)} to {shown(high, readout)}"


def difference(found: Json, arm: str, against: str, score: str, readout: Readout) -> Json:
    """The paired difference of a score between two models in the neutral context; empty if it was not made."""
    wanted = {"arm": arm, "against": against, "score": score, "readout": readout, "context": NEUTRAL}
    rows = (row for row in items(found.get("score_comparisons")) if isinstance(row, dict))
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), {})


def first_clause(reason: str) -> str:
    """The first clause of a reason, cut between words."""
    return shorten(re.split(r"[:;(]| and ", reason)[0], 40, placeholder=" \u2026")
