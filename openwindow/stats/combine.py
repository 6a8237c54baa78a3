"""Weighted sums of independent estimates (a mean of six rates, a gap between two scores), with an interval.

MOVER, the method of variance estimates recovery (Zou and Donner 2008, Stat Med 27:1693), combines the intervals of the
parts, so it keeps their asymmetry and never has width zero. An interval made with Student's t is taken back to its standard error
first, and the sum has the degrees of freedom of Satterthwaite 1946 (Biometrics Bull 2:110).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from openwindow.stats.intervals import critical, tail

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Part:
    """One estimate with its 95 % interval, and its weight in the sum."""

    estimate: float
    low: float
    high: float
    weight: float
    freedom: float = math.inf
    """degrees of freedom of the t distribution that the interval was made with; infinite for one made otherwise"""

    def reach(self, up: bool) -> float:
        """How far the interval moves the sum, up or down, times the sign of the weight."""
        return self.weight * (self.high - self.estimate if (self.weight > 0) == up else self.estimate - self.low)


def weighted_sum(parts: Sequence[Part]) -> tuple[float, float, float]:
    """The sum of weight times estimate, and the ends of its interval; ValueError without a part."""
    total = _total(parts)
    return total, total - _reach(parts, up=False)[0], total + _reach(parts, up=True)[0]


def sum_p(parts: Sequence[Part], value: float = 0.0) -> float:
    """Two-sided p that the true sum is `value`: below 0.05 if the interval excludes it; ValueError without a part."""
    distance = _total(parts) - value
    reach, freedom = _reach(parts, up=distance < 0)
    if distance == 0.0:
        return 1.0
    return tail(abs(distance) / reach * critical(LEVEL, freedom), freedom) if reach > 0 else 0.0


def _total(parts: Sequence[Part]) -> float:
    if not parts:
        raise ValueError("no parts; expected at least one estimate; say in words that nothing was measured")
    return math.fsum(p.weight * p.estimate for p in parts)


def _reach(parts: Sequence[Part], up: bool) -> tuple[float, float]:
    """The distance from the sum to one end of its interval, and its degrees of freedom."""
    freedom = _freedom(parts, up)
    inner = critical(LEVEL, freedom)
    return math.sqrt(math.fsum((p.reach(up) * (inner / critical(LEVEL, p.freedom))) ** 2 for p in parts)), freedom


def _freedom(parts: Sequence[Part], up: bool) -> float:
    if all(math.isinf(p.freedom) for p in parts):
        return math.inf
    squares = [(p.reach(up) / critical(LEVEL, p.freedom)) ** 2 for p in parts]
    spread = math.fsum(s * s / p.freedom for s, p in zip(squares, parts, strict=True))
    return math.fsum(squares) ** 2 / spread if spread > 0 else math.inf
