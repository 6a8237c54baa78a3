"""What a curve over the steps of a training says in one number: its mean, and when it crosses a level.

Between two measurements a curve is the line that joins them.
"""

from __future__ import annotations

from collections.abc import Sequence

from openwindow.stats.cells import Value


def area(steps: Sequence[float], values: Sequence[Value]) -> float | None:
    """The mean of a curve over its steps by the trapezoid rule, in the unit of the values; None if one of them is not measured.

    The area under the curve divided by the number of steps: a weighted mean of the values, with weights that add up to 1. So the
    area of a rate is the mean of the areas of its items, each from 0 to 1 (a `share` of `openwindow.stats`). ValueError for
    fewer than two steps, or steps that do not rise.
    """
    _check(steps, values)
    known = [float(value) for value in values if value is not None]
    if len(known) < len(values):
        return None
    whole = sum((steps[i + 1] - steps[i]) * (known[i] + known[i + 1]) / 2 for i in range(len(steps) - 1))
    return whole / (steps[-1] - steps[0])


def reached(steps: Sequence[float], values: Sequence[float], level: float = 0.5) -> float | None:
    """The first step at which a curve is at the level or above it; None if it is not up to its last step (censored there)."""
    _check(steps, values)
    if values[0] >= level:
        return float(steps[0])
    for i in range(1, len(steps)):
        if values[i] >= level:
            share = (level - values[i - 1]) / (values[i] - values[i - 1])
            return steps[i - 1] + share * (steps[i] - steps[i - 1])
    return None


def _check(steps: Sequence[float], values: Sequence[Value]) -> None:
    if len(steps) < 2 or len(steps) != len(values) or any(steps[i] >= steps[i + 1] for i in range(len(steps) - 1)):
        raise ValueError(f"{len(values)} values at steps {list(steps)}; expected a value for each of two or more rising steps")
