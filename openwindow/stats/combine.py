"""Weighted sums of independent estimates (a mean of six rates, a gap between two scores), with an interval.

MOVER, the method of variance estimates recovery (Zou and Donner 2008, Stat Med 27:1693), combines the intervals of the
parts, so it keeps their asymmetry and never has width zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One estimate with its interval, and its weight in the sum."""

    estimate: float
    low: float
    high: float
    weight: float


def weighted_sum(parts: Sequence[Part]) -> tuple[float, float, float]:
    """The sum of weight times estimate, and the ends of its interval; ValueError without a part."""
    if not parts:
        raise ValueError("no parts; expected at least one estimate; say in words that nothing was measured")
    total = math.fsum(p.weight * p.estimate for p in parts)
    below = math.fsum((p.weight * (p.estimate - (p.low if p.weight > 0 else p.high))) ** 2 for p in parts)
    above = math.fsum((p.weight * ((p.high if p.weight > 0 else p.low) - p.estimate)) ** 2 for p in parts)
    return total, total - math.sqrt(below), total + math.sqrt(above)
