"""Scatter plots as SVG text: one small panel per list of points, in the page's colours (see `charts`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from openwindow.report.charts import Ident, Scale, spread, ticks
from openwindow.report.strips import Link, opened

WIDTH, HEIGHT = 352.0, 306.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 62.0, 44.0  # room around the plot
NAMES = 128.0
"""room at the right for names, where there are any"""
_LETTERS = 18
"""letters of a name that are drawn"""


@dataclass(frozen=True, slots=True)
class Point:
    """One point with its vertical interval, and the text that hovering over it shows."""

    x: float
    y: float
    low: float | None
    high: float | None
    tone: str
    note: str
    link: Link | None = None
    """The transcripts that it opens."""
    label: str = ""
    """Written once at the right, with a line to the middle of the points that share it."""
    small: bool = False
    path: str = ""
    """Points that share one are joined by a line, in their order."""


def scatter(
    points: Sequence[Point],
    *,
    ident: Ident,
    title: str,
    subtitle: str,
    along: str,
    up: str,
    percent: bool,
    times: float = 100.0,
    unit: str = "",
    zero: bool = True,
) -> str:
    """Points over named axes; `percent` prints the horizontal axis as rates.

    The vertical axis prints values multiplied by `times` with their `unit`, and holds 0 if `zero` is set.
    """
    if not points:
        return '<p class="missing">not measured</p>'
    marks_x = ticks(min(p.x for p in points), max(p.x for p in points))
    ends = [*([0.0] if zero else []), *(v for p in points for v in (p.y, p.low, p.high) if v is not None)]
    marks_y = ticks(min(ends), max(ends))
    scale_x, scale_y = Scale(marks_x[0], marks_x[-1], percent), Scale(marks_y[0], marks_y[-1], False)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    width = WIDTH + (NAMES if any(p.label for p in points) else 0.0)

    def x_of(value: float) -> float:
        return scale_x.place(value, LEFT, wide)

    def y_of(value: float) -> float:
        return TOP + high - scale_y.place(value, 0.0, high)

    name = escape(ident)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width:.0f} {HEIGHT:.0f}" role="group" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}: {escape(up)} over {escape(along)}</title>'
        f'<desc id="{name}-desc">{escape(subtitle)}; {len(points)} points</desc>',
        f'<text class="panel-title" x="0" y="15">{escape(title)}</text>',
        f'<text class="panel-sub" x="0" y="32">{escape(subtitle)}</text>',
        f'<text class="tick" x="0" y="50">{escape(up)}</text>',
    ]
    for value in marks_y:
        y = y_of(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        shown = escape(scale_y.show(times * value) + unit)
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{shown}</text>')
    for i, value in enumerate(marks_x):
        x = x_of(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + high:.1f}"/>')
        if i % 2 == 0 or len(marks_x) < 5:
            parts.append(
                f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{TOP + high + 17:.1f}">{scale_x.show(value)}</text>'
            )
    parts.append(f'<text class="tick" text-anchor="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}">{escape(along)}</text>')
    parts += [*_names(points, x_of, y_of), *_paths(points, x_of, y_of)]
    parts += [_mark(p, x_of(p.x), y_of) for p in points]
    return "".join([*parts, "</svg>"])


def _mark(p: Point, x: float, y_of: Callable[[float], float]) -> str:
    bar = ""
    if p.low is not None and p.high is not None:
        bar = f'<line class="interval thin" x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(p.low):.1f}" y2="{y_of(p.high):.1f}"/>'
    dot = f'<circle class="dot" cx="{x:.1f}" cy="{y_of(p.y):.1f}" r="{3.2 if p.small else 5}"/>'
    if p.link is None:
        return f'<g class="{escape(p.tone)}"><title>{escape(p.note)}</title>{bar}{dot}</g>'
    return f'<g class="{escape(p.tone)}">{opened(p.link, p.note, "spot")}{bar}{dot}</a></g>'


def _paths(points: Sequence[Point], x_of: Callable[[float], float], y_of: Callable[[float], float]) -> list[str]:
    """A line through the points of each path."""
    found = []
    for path in dict.fromkeys(p.path for p in points if p.path):
        own = [p for p in points if p.path == path]
        if len(own) > 1:
            line = " ".join(f"{x_of(p.x):.1f},{y_of(p.y):.1f}" for p in own)
            found.append(f'<polyline class="curve seed-curve {escape(own[0].tone)}" points="{line}"/>')
    return found


def _names(points: Sequence[Point], x_of: Callable[[float], float], y_of: Callable[[float], float]) -> list[str]:
    """Every label once, at the right, with a line to the middle of the points that share it."""
    middles = []
    for label in dict.fromkeys(p.label for p in points if p.label):
        own = [p for p in points if p.label == label]
        middles.append((label, own[0].tone, x_of(sum(p.x for p in own) / len(own)), y_of(sum(p.y for p in own) / len(own))))
    found, edge = [], WIDTH - RIGHT
    for (label, tone, x, y), at in zip(middles, spread([y for *_, y in middles], 14.0, TOP + 4, HEIGHT - BOTTOM), strict=True):
        name = label if len(label) <= _LETTERS else label[: _LETTERS - 1].rstrip() + "…"
        found.append(f'<path class="leader {escape(tone)}" d="M{x:.1f} {y:.1f}L{edge + 6:.1f} {at:.1f}"/>')
        found.append(f'<text class="curve-label {escape(tone)}" x="{edge + 10:.1f}" y="{at + 4:.1f}">{escape(name)}</text>')
    return found
