"""What arms do on test problems over the steps of their training: a figure of the curves, their areas and steps to half."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from openwindow.files.records import objects_of
from openwindow.files.run_files import finite
from openwindow.formatting import points, rate
from openwindow.report.readings import END, Reading
from openwindow.report.strips import Curve, Link, Panel, Spot, Strip, multiples, scale_of
from openwindow.results.load import items, mapping, number, text
from openwindow.results.records import Json

WIDTH, ALONE, HEIGHT = 520.0, 1030.0, 280.0
"""width of a panel, and of the only one, and height of its plot: room for many arms"""


class Row(NamedTuple):
    """What is said of one curve."""

    arm: str
    measure: str
    context: str
    area: dict[str, Any]
    half: str
    by_seed: str


def over_training(found: Json, labels: Mapping[str, str], tones: Mapping[str, str], primary: str) -> dict[str, Any] | None:
    """The section's values; None if the study measures no arm in the middle of its training.

    `found` is the key `curves` of the results, and `primary` the measure that comes first; of the others there are those that a
    comparison over training is of.
    """
    arms = mapping(found, "arms")
    if not arms:
        return None
    compared = objects_of(found.get("differences"))
    measures = list(dict.fromkeys([primary, *(text(row, "measure") for row in compared)]))
    contexts = [str(context) for context in items(found.get("contexts"))]
    panels = [panel for measure in measures for panel in _panels(arms, measure, contexts, labels, tones)]
    return {
        "panels": multiples("over", panels, WIDTH if len(panels) > 1 else ALONE, HEIGHT),
        "problems": number(found, "problems"),
        "rows": [
            Row(arm, measure, context, _area(mapping(cell, "area")), _half(mapping(cell, "half")), _halves(mapping(cell, "half")))
            for measure in measures
            for context in contexts
            for arm, cell in _cells(arms, measure, context, labels)
        ],
        "several_measures": len(measures) > 1,
        "several_contexts": len(contexts) > 1,
        "without": [(labels.get(arm, arm), reason) for arm in labels if (reason := text(mapping(arms, arm), "reason"))],
        "differences": [_difference(row) for row in compared],
        "steps": sorted({step for row in compared for step in _difference(row)["steps"] if step is not None}),
        "table": [
            _reading(labels.get(arm, arm), f"{measure}, {context}", point)
            for measure in measures
            for context in contexts
            for arm, cell in _cells(arms, measure, context, labels)
            for point in objects_of(cell.get("points"))
        ],
    }


def _cells(arms: Json, measure: str, context: str, labels: Mapping[str, str]) -> Iterator[tuple[str, Json]]:
    """The arms that have a curve there, in their order."""
    for arm in labels:
        cell = mapping(mapping(mapping(mapping(arms, arm), "measures"), measure), context)
        if objects_of(cell.get("points")):
            yield arm, cell


def _panels(arms: Json, measure: str, contexts: Sequence[str], labels: Mapping[str, str], tones: Mapping[str, str]) -> list[Panel]:
    """A panel for each context, with a curve per arm."""
    drawn = {context: list(_cells(arms, measure, context, labels)) for context in contexts}
    curves = {
        context: tuple(
            Curve(labels[arm], tones.get(arm, "tone-none"), tuple(_spot(point, labels[arm], context) for point in _points(cell)))
            for arm, cell in cells
        )
        for context, cells in drawn.items()
    }
    scale = scale_of([curve for of in curves.values() for curve in of], percent=True)
    last = max((float(number(point, "step") or 0) for of in drawn.values() for _, cell in of for point in _points(cell)), default=1)
    ends = ((0.0, "the start"), (max(last, 1.0), f"step {last:.0f}"))
    return [
        Panel(
            context,
            f"{measure}, share of test problems",
            (Strip("", scale, curves[context]),),
            ends,
            "; ".join(curve.measured[-1].note for curve in curves[context] if curve.measured),
        )
        for context in contexts
        if curves[context]
    ]


def _points(cell: Json) -> tuple[Json, ...]:
    return objects_of(cell.get("points"))


def _spot(point: Json, label: str, context: str) -> Spot | None:
    """A rate at a step, which leads to the transcripts of that model."""
    value, low, high = (number(point, key) for key in ("estimate", "low", "high"))
    if value is None:
        return None
    step, saved = number(point, "step") or 0.0, number(point, "saved")
    said = f"{label}, {_when(point)}: {rate(value)}, interval {rate(low)} to {rate(high)}"
    return Spot(step, value, low, high, said, Link(text(point, "arm"), context, END if saved is None else f"{saved:.0f}"))


def _when(point: Json) -> str:
    step = number(point, "step") or 0.0
    where = "the start" if step == 0 else f"step {step:.0f}"
    return f"{where}, its end" if step and number(point, "saved") is None else where


def _reading(who: str, what: str, point: Json) -> Reading:
    value, low, high = (number(point, key) for key in ("estimate", "low", "high"))
    interval = "" if low is None else f"{rate(low)} to {rate(high)}"
    reason = "" if value is not None else text(point, "reason") or "no reason recorded"
    return Reading(who, _when(point), what, rate(value), interval, int(number(point, "n") or 0), reason)


def _area(area: Json) -> dict[str, Any]:
    """The cell of a mean over the steps, as the page shows it."""
    counts = {key: int(number(area, key) or 0) for key in ("n", "families", "unscored")}
    return {key: number(area, key) for key in ("estimate", "low", "high")} | counts | {"reason": text(area, "reason")}


def _half(half: Json) -> str:
    """The steps to half in words, with their interval."""
    mean = number(half, "estimate")
    if mean is None:
        return text(half, "reason") or "not measured"
    low, high = number(half, "low"), number(half, "high")
    return f"step {mean:.1f}" + ("" if low is None or high is None else f", {max(0.0, low):.1f} to {high:.1f}")


def _halves(half: Json) -> str:
    """The same for each seed; what ends below a half is later than its last step."""
    last, late = number(half, "last") or 0.0, items(half.get("censored"))
    steps = zip(map(finite, items(half.get("by_seed"))), late, strict=False)
    return ", ".join(f"later than {last:.0f}" if over is True else "?" if step is None else f"{step:.1f}" for step, over in steps)


def _difference(row: Json) -> dict[str, Any]:
    """The difference of two curves at each step, and in steps to half."""
    half = mapping(row, "half")
    value, low, high = (number(half, key) for key in ("difference", "low", "high"))
    said = text(half, "reason") if value is None else f"{value:+.1f}"
    if value is not None and low is not None and high is not None:
        said += f", {low:+.1f} to {high:+.1f}"
    at = {number(step, "step"): (points(number(step, "difference")), _ends(step)) for step in objects_of(row.get("steps"))}
    return {
        **{key: text(row, key) for key in ("arm", "against", "measure", "context", "against_context")},
        "half": said.replace("-", "\N{MINUS SIGN}") if value is not None else said,
        "steps": at,
    }


def _ends(step: Json) -> str:
    low, high = number(step, "low"), number(step, "high")
    return "" if low is None or high is None else f"{points(low)} to {points(high)}"
