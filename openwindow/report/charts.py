"""Figures as SVG text: pure functions from numbers to markup, without a plotting library.

Colours are the page's CSS classes (`tone-0` to `tone-6`, and `tone-none` for arms that were trained on nothing), so
that one figure serves light, dark and paper. None is drawn as the words "not measured", never as a zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple, NewType

from openwindow.formatting import signed

TONES = 7  # number of colours before they repeat
ROW = 38.0  # height of one arm's row
HEAD = 52.0  # height of a panel's title and subtitle
FOOT = 26.0  # height of a panel's axis
VALUE = 48.0  # width kept for the number at the right of each row
GAP = 30.0  # gap between panels in a row
_LETTER = 7.0  # width of an average letter at 13 px, rounded up


class Scale(NamedTuple):
    """The values at the ends of an axis, and whether they are rates to be printed as percentages."""

    low: float
    high: float
    percent: bool

    def show(self, value: float) -> str:
        """The value as the figure prints it: whole percentages, or three significant digits."""
        if not self.percent:
            return signed(f"{value:.3g}")
        if 0 < value < 0.005:
            return "<1%"
        if 0.995 < value < 1:
            return ">99%"
        return f"{value * 100:.0f}%"

    def place(self, value: float, left: float, width: float) -> float:
        """The position of the value between `left` and `left + width`; values beyond the ends are drawn at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return left + min(1.0, max(0.0, share)) * width


Ident = NewType("Ident", str)
"""The result of `identifier`, and nothing else"""


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a panel: an estimate with its interval and the estimate of each seed."""

    key: str
    label: str
    tone: str
    estimate: float | None
    low: float | None
    high: float | None
    seeds: tuple[float | None, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One small multiple. Every panel of a figure has the same rows."""

    key: str
    title: str
    subtitle: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One arm's curve: the mean over seeds, and each seed separately."""

    label: str
    tone: str
    mean: tuple[tuple[float, float], ...]
    seeds: tuple[tuple[tuple[float, float], ...], ...]
    marked: tuple[tuple[float, float], ...] = ()
    """Points to circle."""


def scale_for(estimates: Sequence[float | None], beside: Sequence[float | None] = ()) -> Scale:
    """0 to 100 % if all estimates are rates, otherwise round numbers around them and the values `beside` them."""
    known = [v for v in estimates if v is not None]
    if all(-1e-9 <= v <= 1 + 1e-9 for v in known):
        return Scale(0.0, 1.0, True)
    known += [v for v in beside if v is not None]
    steps = ticks(min(known), max(known))
    return Scale(steps[0], steps[-1], False)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers, evenly spaced, the first at or below `low` and the last at or above `high`."""
    if high - low < 1e-9 * max(1.0, abs(low), abs(high)):
        low, high = low - 0.5 * max(1.0, abs(low)), high + 0.5 * max(1.0, abs(high))
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if unit * m >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def interval_plot(panels: Sequence[Panel], *, ident: Ident, title: str, desc: str, columns: int, width: float, link: str) -> str:
    """Dots with intervals: one panel per context, one row per arm, `columns` panels side by side.

    Each row is a link to `link` that carries its arm and context, which the page's script turns into a filter.
    """
    rows = panels[0].dots if panels else ()
    label = min(190.0, 18.0 + _LETTER * max((len(d.label) for d in rows), default=0))
    panel_width = (width - label - GAP * (columns - 1)) / columns
    dots = [d for p in panels for d in p.dots]
    scale = scale_for([d.estimate for d in dots], [v for d in dots for v in (d.low, d.high, *d.seeds)])
    block = HEAD + ROW * len(rows) + FOOT
    height = max(1, math.ceil(len(panels) / columns)) * (block + 18.0) - 18.0
    parts = [_open(ident, title, desc, width, height)]
    for i, panel in enumerate(panels):
        left = label + (i % columns) * (panel_width + GAP)
        top = (i // columns) * (block + 18.0)
        parts.append(_panel(panel, scale, left, top, panel_width, label if i % columns == 0 else 0.0, link))
    return "".join([*parts, "</svg>"])


def _panel(panel: Panel, scale: Scale, left: float, top: float, width: float, label: float, link: str) -> str:
    plot = width - VALUE
    base = top + HEAD + ROW * len(panel.dots)
    parts = [
        f'<text class="panel-title" x="{left:.1f}" y="{top + 16:.1f}">{_text(_clip(panel.title, width / 8.5))}</text>',
        f'<text class="panel-sub" x="{left:.1f}" y="{top + 35:.1f}">{_text(_clip(panel.subtitle, width / 6.1))}'
        f"<title>{_text(panel.subtitle)}</title></text>",
    ]
    marks = [0.0, 0.25, 0.5, 0.75, 1.0] if scale.percent else ticks(scale.low, scale.high)
    for i, value in enumerate(marks):
        x = scale.place(value, left, plot)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEAD:.1f}" y2="{base:.1f}"/>')
        if i % 2 == 0:
            anchor = "start" if i == 0 else "end" if i == len(marks) - 1 else "middle"
            parts.append(f'<text class="tick" text-anchor="{anchor}" x="{x:.1f}" y="{base + 17:.1f}">{scale.show(value)}</text>')
    for i, dot in enumerate(panel.dots):
        middle = top + HEAD + ROW * (i + 0.5)
        parts.append(_row(panel, dot, scale, left, middle, plot, label, link))
    return "".join(parts)


def _row(panel: Panel, dot: Dot, scale: Scale, left: float, y: float, plot: float, label: float, link: str) -> str:
    start = left - label
    parts = [
        f'<a class="row {_text(dot.tone)}" href="{_text(link)}" data-arm="{_text(dot.key)}" '
        f'data-context="{_text(panel.key)}" data-steps="end"><title>{_text(f"{dot.label}, {panel.title}: {dot.note}")}</title>',
        f'<rect class="hit" x="{start:.1f}" y="{y - ROW / 2:.1f}" width="{left - start + plot + VALUE:.1f}" height="{ROW:.1f}"/>',
    ]
    if label:
        name = _clip(dot.label, (label - 14) / _LETTER)
        parts.append(f'<text class="label" x="{start:.1f}" y="{y + 4.5:.1f}">{_text(name)}</text>')
    if dot.estimate is None:
        parts.append(f'<text class="missing" x="{left + 2:.1f}" y="{y + 4.5:.1f}">not measured</text></a>')
        return "".join(parts)
    x = scale.place(dot.estimate, left, plot)
    parts.append(f'<line class="rail" x1="{left:.1f}" x2="{left + plot:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for seed in dot.seeds:
        if seed is not None:
            parts.append(f'<circle class="seed" cx="{scale.place(seed, left, plot):.1f}" cy="{y + 10:.1f}" r="2.6"/>')
    if dot.low is not None and dot.high is not None:
        a, b = (scale.place(v, left, plot) for v in sorted((dot.low, dot.high)))
        parts.append(f'<line class="interval" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>')
    shown, edge = _text(scale.show(dot.estimate)), left + plot + VALUE
    parts.append(f'<text class="value" text-anchor="end" x="{edge:.1f}" y="{y + 4.5:.1f}">{shown}</text></a>')
    return "".join(parts)


def difference_bar(estimate: float | None, low: float | None, high: float | None, reach: float) -> str:
    """A difference with its interval relative to a line at zero, on an axis from -reach to +reach."""
    if estimate is None:
        return '<span class="missing">not measured</span>'
    scale, width, y = Scale(-reach, reach, False), 150.0, 11.0
    parts = [
        f'<svg class="difference" viewBox="0 0 {width + 12:.0f} 22" width="{width + 12:.0f}" height="22" aria-hidden="true">',
        f'<line class="zero" x1="{6 + width / 2:.1f}" x2="{6 + width / 2:.1f}" y1="1" y2="21"/>',
    ]
    if low is not None and high is not None:
        a, b = (scale.place(v, 6.0, width) for v in sorted((low, high)))
        parts.append(f'<line class="interval" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts.append(f'<circle class="dot" cx="{scale.place(estimate, 6.0, width):.1f}" cy="{y:.1f}" r="4.5"/></svg>')
    return "".join(parts)


def line_plot(lines: Sequence[Line], *, ident: Ident, title: str, desc: str, width: float, height: float) -> str:
    """Curves over steps, each with its name at its end."""
    points = [p for line in lines for curve in (line.mean, *line.seeds) for p in curve]
    if not points:
        return '<p class="missing">not measured</p>'
    label = min(150.0, 20.0 + _LETTER * max(len(line.label) for line in lines))
    left, right, top, bottom = 40.0, width - label, 14.0, height - 30.0
    marks = ticks(min(p[1] for p in points), max(p[1] for p in points))
    up = Scale(marks[0], marks[-1], False)
    first, last = min(p[0] for p in points), max(p[0] for p in points)
    along = Scale(first, last if last > first else first + 1.0, False)
    parts = [_open(ident, title, desc, width, height)]
    for mark in marks:
        y = bottom - up.place(mark, 0.0, bottom - top)
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{left - 8:.1f}" y="{y + 4:.1f}">{_text(up.show(mark))}</text>')
    for value, anchor in ((first, "start"), (along.high, "end")):
        x = along.place(value, left, right - left)
        parts.append(f'<text class="tick" text-anchor="{anchor}" x="{x:.1f}" y="{bottom + 20:.1f}">step {value:.0f}</text>')
    ends = []
    for line in lines:
        curves = [("curve seed-curve", c) for c in line.seeds] + [("curve", line.mean)]
        for style, curve in curves:
            if curve:
                path = " ".join(
                    f"{along.place(x, left, right - left):.1f},{bottom - up.place(y, 0.0, bottom - top):.1f}" for x, y in curve
                )
                parts.append(f'<polyline class="{style} {_text(line.tone)}" points="{path}"/>')
        for x, y in line.marked:
            at = f'cx="{along.place(x, left, right - left):.1f}" cy="{bottom - up.place(y, 0.0, bottom - top):.1f}"'
            parts.append(f'<circle class="mark {_text(line.tone)}" {at} r="4.5"><title>step {x:.0f}</title></circle>')
        ends.append(bottom - up.place(line.mean[-1][1], 0.0, bottom - top) if line.mean else bottom)
    for line, y in zip(lines, spread(ends, 16.0, top, bottom), strict=True):
        name = _clip(line.label, (label - 14) / _LETTER)
        parts.append(f'<text class="curve-label {_text(line.tone)}" x="{right + 8:.1f}" y="{y + 4.5:.1f}">{_text(name)}</text>')
    return "".join([*parts, "</svg>"])


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Positions close to the wanted ones, at least `apart` from each other and within low..high; closer if there are too many."""
    if not wanted:
        return []
    apart = min(apart, (high - low) / len(wanted))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = list(wanted)
    floor = low
    for i in order:
        placed[i] = floor = max(floor, wanted[i])
        floor += apart
    ceiling = high
    for i in reversed(order):
        placed[i] = ceiling = min(ceiling, placed[i])
        ceiling -= apart
    return placed


def thin(points: Sequence[tuple[float, float]], most: int = 160) -> tuple[tuple[float, float], ...]:
    """At most `most` points: each the mean of a run of neighbours."""
    size = math.ceil(len(points) / most) if points else 1
    runs = [points[i : i + size] for i in range(0, len(points), size)]
    return tuple((sum(x for x, _ in run) / len(run), sum(y for _, y in run) / len(run)) for run in runs)


def identifier(kind: str, *at: int) -> Ident:
    """The `id` of a figure and of its parts: what it shows, in letters, and its position; never made from names that users gave.

    Raises ValueError for a kind that is not a plain word.
    """
    if re.fullmatch(r"[a-z][a-z_]*", kind) is None:
        raise ValueError(f"{kind!r} is not a plain word; expected lower-case letters")
    return Ident("-".join([kind, *map(str, at)]))


def _open(ident: Ident, title: str, desc: str, width: float, height: float) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width:.0f} {math.ceil(height)}" role="group" '
        f'aria-labelledby="{_text(ident)}-title {_text(ident)}-desc"><title id="{_text(ident)}-title">{_text(title)}</title>'
        f'<desc id="{_text(ident)}-desc">{_text(desc)}</desc>'
    )


def _clip(value: str, letters: float) -> str:
    most = max(2, int(letters))
    return value if len(value) <= most else value[: most - 1].rstrip() + "…"


def _text(value: str) -> str:
    return escape(value, quote=True)
