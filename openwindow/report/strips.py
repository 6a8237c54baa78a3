"""Small multiples as SVG text: panels of one or more strips over a common axis, with curves, bands, and marks to select.

A panel stands for an arm or for a pair of arms. Its strips lie below each other, one per unit, each with curves that are named at
their ends. What was not measured is drawn as absent and named below the strip. Colours are the page's classes (see `charts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from markupsafe import Markup

from openwindow.report.charts import Ident, Scale, identifier, spread, ticks

WIDTH = 352.0
LEFT, TOP, HEIGHT, BETWEEN, FOOT = 44.0, 66.0, 132.0, 46.0, 24.0
"""room for the vertical axis, above the first strip, of a strip, between two strips, and below the last one"""
ROOM = 132.0
"""most room for names at the right of the curves"""
MANY = 12
"""spots of a curve above which they are drawn small"""
_LETTER = 6.4
"""width of an average letter at 12 px, rounded up"""
_SMALL = 56
"""letters of a line below a strip"""
_LINE = 15.0


@dataclass(frozen=True, slots=True)
class Link:
    """Which transcripts a mark opens; `steps` is empty, a step, `FIRST-LAST`, or `end` for those of no step."""

    arm: str
    context: str
    steps: str = ""
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """A measured value with its interval, and what hovering over it shows."""

    x: float
    y: float
    low: float | None
    high: float | None
    note: str
    link: Link


@dataclass(frozen=True, slots=True)
class Curve:
    """Values of one quantity; a `fine` one is drawn thin and without its name, a `dashed` one without marks."""

    label: str
    tone: str
    spots: tuple[Spot | None, ...]
    """In the order of the axis; None where it was asked and not measured, which interrupts the line."""
    beside: str = ""
    """A second line below its name."""
    fine: bool = False
    dashed: bool = False

    @property
    def measured(self) -> list[Spot]:
        """The spots that are known."""
        return [s for s in self.spots if s is not None]

    @property
    def stretches(self) -> list[list[Spot]]:
        """Runs of spots without one that is missing between them."""
        runs: list[list[Spot]] = [[]]
        for spot in self.spots:
            if spot is None:
                runs.append([])
            else:
                runs[-1].append(spot)
        return [run for run in runs if run]


@dataclass(frozen=True, slots=True)
class Strip:
    """Curves of one unit on the axis `scale`; `absent` are the sentences below it about what is not drawn."""

    title: str
    scale: Scale
    curves: tuple[Curve, ...]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """A position on the horizontal axis with a line through all strips, and the transcripts that it opens."""

    x: float
    note: str
    link: Link


@dataclass(frozen=True, slots=True)
class Panel:
    """One small multiple. `ends` are the ends of the horizontal axis with their names; `bars` draws intervals as bars."""

    title: str
    subtitle: str
    strips: tuple[Strip, ...]
    ends: tuple[tuple[float, str], tuple[float, str]]
    desc: str
    """What it shows, in words."""
    marked: tuple[Marked, ...] = ()
    bars: bool = False


def scale_of(curves: Sequence[Curve], *, percent: bool) -> Scale:
    """An axis that holds the curves with their intervals; of rates it starts at 0 and ends at 1 at the most."""
    ends = [v for curve in curves for s in curve.measured for v in (s.y, s.low, s.high) if v is not None]
    if not percent:
        marks = ticks(min(ends, default=0.0), max(ends, default=1.0))
        return Scale(marks[0], marks[-1], False)
    return Scale(0.0, min(1.0, ticks(0.0, max([*ends, 0.08]))[-1]), True)


def multiples(kind: str, panels: Sequence[Panel], width: float = WIDTH, height: float = HEIGHT) -> tuple[Markup, ...]:
    """The panels as figures of one size, whose axes lie at the same places; `kind` is as in `identifier`.

    `width` is that of a figure, `height` that of a strip.
    """
    names = [c for p in panels for s in p.strips for c in s.curves if not c.fine]
    right = width - min(ROOM, max([_LETTER * max(len(c.label), len(c.beside)) + 18.0 for c in names], default=0.0))
    most = max((len(p.strips) for p in panels), default=0)
    room = [max(len(_below(p.strips[i])) for p in panels if i < len(p.strips)) for i in range(most)]
    return tuple(Markup(_panel(p, identifier(kind, place), (width, height), right, room)) for place, p in enumerate(panels))


def _panel(p: Panel, ident: Ident, size: tuple[float, float], right: float, room: Sequence[int]) -> str:
    """The panel as one figure; `size` is as in `multiples`, and `room` has for each strip how many lines fit below it."""
    width, tall = size
    height = TOP - BETWEEN + FOOT + sum(BETWEEN + tall + _LINE * lines for lines in room[: len(p.strips)])
    name = escape(ident)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="group" aria-labelledby="{name}-title {name}-desc">',
        f'<title id="{name}-title">{_text(p.title)}. {_text(p.subtitle)}</title><desc id="{name}-desc">{_text(p.desc)}</desc>',
        f'<text class="panel-title" x="0" y="15">{_text(p.title)}</text>',
        f'<text class="panel-sub" x="0" y="32">{_text(p.subtitle)}</text>',
    ]
    top = TOP
    for place, strip in enumerate(p.strips):
        last = place == len(p.strips) - 1
        parts.append(_strip(p, strip, (top, top + tall), right, last=last))
        foot = top + tall + (FOOT if last else 8.0)
        parts += [
            f'<text class="missing" x="0" y="{foot + _LINE * (i + 0.8):.1f}">{_text(line)}</text>'
            for i, line in enumerate(_below(strip))
        ]
        top += tall + _LINE * room[place] + BETWEEN
    return "".join([*parts, "</svg>"])


def _below(strip: Strip) -> list[str]:
    return [line for said in strip.absent for line in wrap(said, _SMALL)]


def _strip(p: Panel, strip: Strip, between: tuple[float, float], right: float, *, last: bool) -> str:
    """The strip between two heights."""
    top, bottom = between
    along = Scale(p.ends[0][0], p.ends[1][0], False)
    inset = 12.0 if p.bars else 0.0

    def x_of(value: float) -> float:
        return along.place(value, LEFT + inset, right - LEFT - 2 * inset)

    def y_of(value: float) -> float:
        return bottom - strip.scale.place(value, 0.0, bottom - top)

    parts = [f'<text class="panel-sub" x="0" y="{top - 10:.1f}">{_text(strip.title)}</text>']
    for value in ticks(strip.scale.low, strip.scale.high):
        if strip.scale.low - 1e-9 <= value <= strip.scale.high + 1e-9:
            y = y_of(value)
            parts.append(
                f'<line class="grid" x1="{LEFT:.0f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="tick" text-anchor="end" x="{LEFT - 7:.0f}" y="{y + 4:.1f}">{_text(strip.scale.show(value))}</text>'
            )
    if last:
        for (value, text), anchor in zip(p.ends, ("middle", "middle") if p.bars else ("start", "end"), strict=True):
            parts.append(
                f'<text class="tick" text-anchor="{anchor}" x="{x_of(value):.1f}" y="{bottom + 18:.1f}">{_text(text)}</text>'
            )
    for mark in p.marked:
        x = x_of(mark.x)
        parts.append(opened(mark.link, mark.note, "onset") + f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}"/></a>')
    for curve in sorted(strip.curves, key=lambda c: not c.fine):
        parts.append(f'<g class="{_text(curve.tone)}{" fine" if curve.fine else ""}">{_curve(curve, x_of, y_of, bars=p.bars)}</g>')
    named = [c for c in strip.curves if not c.fine and c.measured]
    apart = 30.0 if any(c.beside for c in named) else 15.0
    for curve, y in zip(named, spread([y_of(c.measured[-1].y) for c in named], apart, top + 4, bottom - apart + 15.0), strict=True):
        parts.append(
            f'<text class="curve-label {_text(curve.tone)}" x="{right + 8:.1f}" y="{y + 4:.1f}">{_text(curve.label)}</text>'
        )
        if curve.beside:
            parts.append(f'<text class="tick" x="{right + 8:.1f}" y="{y + 18:.1f}">{_text(curve.beside)}</text>')
    return "".join(parts)


def _curve(curve: Curve, x_of: Callable[[float], float], y_of: Callable[[float], float], *, bars: bool) -> str:
    """Its band or bars, its line, and its marks."""
    parts = []
    for run in curve.stretches:
        known = [(x_of(s.x), y_of(s.low), y_of(s.high)) for s in run if s.low is not None and s.high is not None]
        if bars:
            parts += [
                f'<line class="interval" x1="{x:.1f}" x2="{x:.1f}" y1="{high:.1f}" y2="{low:.1f}"/>' for x, low, high in known
            ]
        elif len(known) > 1 and not curve.fine and not curve.dashed:
            rim = [(x, high) for x, _, high in known] + [(x, low) for x, low, _ in reversed(known)]
            parts.append(f'<polygon class="band" points="{_points(rim)}"/>')
        if len(run) > 1:
            line = _points([(x_of(s.x), y_of(s.y)) for s in run])
            parts.append(f'<polyline class="curve{" dashed" if curve.dashed else ""}" points="{line}"/>')
    if not curve.dashed:
        size = 2.0 if curve.fine else 2.6 if len(curve.spots) > MANY else 4.2
        for s in curve.measured:
            at = f'cx="{x_of(s.x):.1f}" cy="{y_of(s.y):.1f}"'
            parts.append(
                opened(s.link, s.note, "spot") + f'<circle class="hit" {at} r="8"/><circle class="dot" {at} r="{size}"/></a>'
            )
    return "".join(parts)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def opened(link: Link, note: str, kind: str) -> str:
    """The beginning of a link to transcripts."""
    more = "".join(f' data-{name}="{_text(value)}"' for name, value in (("steps", link.steps), ("seed", link.seed)) if value)
    where = f'data-arm="{_text(link.arm)}" data-context="{_text(link.context)}"{more}'
    return f'<a class="{kind}" href="#transcripts" {where}><title>{_text(note)}</title>'


def _text(value: str) -> str:
    return escape(value, quote=True)
