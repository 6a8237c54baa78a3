"""Scatter plots as SVG text: one small panel per list of points, in the page's colours (see `charts`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from openwindow.report.charts import Ident, Scale, ticks

WIDTH, HEIGHT = 352.0, 290.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 46.0, 44.0  # room around the plot


@dataclass(frozen=True, slots=True)
class Point:
    """One point with its vertical interval, and the text that hovering over it shows."""

    x: float
    y: float
    low: float | None
    high: float | None
    tone: str
    note: str


def scatter(points: Sequence[Point], *, ident: Ident, title: str, subtitle: str, along: str, up: str, percent: bool) -> str:
    """Points over named axes; `percent` prints the horizontal axis as rates; the vertical axis always shows rates."""
    if not points:
        return '<p class="missing">not measured</p>'
    marks_x = ticks(min(p.x for p in points), max(p.x for p in points))
    ends = [0.0, *(v for p in points for v in (p.y, p.low, p.high) if v is not None)]
    marks_y = ticks(min(ends), max(ends))
    scale_x, scale_y = Scale(marks_x[0], marks_x[-1], percent), Scale(marks_y[0], marks_y[-1], False)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def y_of(value: float) -> float:
        return TOP + high - scale_y.place(value, 0.0, high)

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="group" aria-labelledby="{escape(ident)}-title">'
        f'<title id="{escape(ident)}-title">{escape(title)}: {escape(up)} over {escape(along)}. {escape(subtitle)}</title>',
        f'<text class="panel-title" x="0" y="15">{escape(title)}</text>',
        f'<text class="panel-sub" x="0" y="32">{escape(subtitle)}</text>',
    ]
    for value in marks_y:
        y = y_of(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{scale_y.show(100 * value)}</text>')
    for i, value in enumerate(marks_x):
        x = scale_x.place(value, LEFT, wide)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + high:.1f}"/>')
        if i % 2 == 0 or len(marks_x) < 5:
            parts.append(
                f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{TOP + high + 17:.1f}">{scale_x.show(value)}</text>'
            )
    parts.append(f'<text class="tick" text-anchor="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}">{escape(along)}</text>')
    for p in points:
        x, y = scale_x.place(p.x, LEFT, wide), y_of(p.y)
        bar = ""
        if p.low is not None and p.high is not None:
            bar = f'<line class="interval thin" x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(p.low):.1f}" y2="{y_of(p.high):.1f}"/>'
        dot = f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        parts.append(f'<g class="{escape(p.tone)}"><title>{escape(p.note)}</title>{bar}{dot}</g>')
    return "".join([*parts, "</svg>"])
