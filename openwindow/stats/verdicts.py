"""What the comparisons named by a claim say about it together, and p values adjusted for their number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from openwindow.stats.compare import Comparison
from openwindow.stats.intervals import End

Verdict = Literal["supported", "not supported", "inconclusive"]
FEWEST_SEEDS = 3
"""seeds below which there is no verdict: by chance, two seeds differ too little or too much to show how seeds vary"""
_MISSED = 0.05
"""a share of seeds that behave otherwise is ruled out if the probability of never drawing one is at most this"""


def may_differ(seeds: int, arms: int = 1) -> float:
    """The largest share of seeds, summed over the arms, that may behave otherwise although all seeds of each arm agreed.

    For one arm this is the exact upper limit of 0 of `seeds` (Clopper and Pearson 1934, Biometrika 26:404): 0.63 of 3, 0.45 of 5,
    0.26 of 10. For two arms, the probability of seeing neither is 0.05.
    """
    return arms * (1.0 - math.pow(_MISSED, 1.0 / (arms * seeds)))


@dataclass(frozen=True, slots=True)
class Expected:
    """A comparison named by a claim, and what the claim predicts of its difference: its sign, or that little is lost."""

    comparison: Comparison
    sign: Literal[-1, 1]
    margin: float | None = None
    """for a claim of non-inferiority: the difference times `sign` is above -margin (Piaggio et al. 2012, JAMA 308:2594)"""
    smallest: float | None = None
    """the smallest effect of interest of this comparison, in the units of its score; None for the one of all"""

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval from low to high, reflected and shifted so that the claim is above 0; None without an interval."""
        c = self.comparison
        if c.low is None or c.high is None:
            return None
        low, high = min(self.sign * c.low, self.sign * c.high), max(self.sign * c.low, self.sign * c.high)
        return low + (self.margin or 0.0), high + (self.margin or 0.0)

    @property
    def holds(self) -> bool:
        """Whether the interval excludes 0, or -margin, on the expected side."""
        return self.ends is not None and self.ends[0] > 0.0

    @property
    def tips(self) -> int:
        """How many of the arms are at an end of the scale from which seeds that behave otherwise would favour the claim."""
        favoured: tuple[End, End] = ("floor", "ceiling") if self.sign > 0 else ("ceiling", "floor")
        return sum(found == end for found, end in zip(self.comparison.at_end, favoured, strict=True))

    def fails(self, smallest_effect: float) -> bool:
        """Whether every difference that the claim allows is ruled out: of the smallest effect or more, or above -margin.

        Intervals assume that seeds vary smoothly. If an arm is at the end of the scale at every seed, a share of seeds that
        was not drawn may be at the other end, so the interval must exclude that much more.
        """
        if self.ends is None:
            return False
        unseen = may_differ(self.comparison.seeds, self.tips) if self.tips else 0.0
        return self.ends[1] + unseen < self.least(smallest_effect)

    def least(self, smallest_effect: float) -> float:
        """What the upper end of `ends` is measured against: the smallest effect, this comparison's own or else the given; or 0."""
        if self.margin is not None:
            return 0.0
        return smallest_effect if self.smallest is None else self.smallest


def holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p values of one family of comparisons, in the order given (Holm 1979, Scand J Stat 6:65).

    The k-th smallest of m is multiplied by m - k + 1, made no smaller than the one before it, and cut at 1. A None
    stays None and does not count in m.
    """
    known = sorted((p, i) for i, p in enumerate(pvalues) if p is not None)
    adjusted: list[float | None] = [None] * len(pvalues)
    reached = 0.0
    for rank, (p, i) in enumerate(known):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"a p value of {p}; expected 0 to 1; use None for an undefined one")
        reached = max(reached, min(1.0, (len(known) - rank) * p))
        adjusted[i] = reached
    return adjusted


def verdict_of(expected: Sequence[Expected], smallest_effect: float) -> Verdict:
    """What the comparisons named by a claim say about it together.

    `supported` if every interval excludes 0 on the expected side: all must hold, so none needs adjusting for the
    others (intersection-union test, Berger 1982, Technometrics 24:295). `not supported` if some interval excludes
    every difference of the smallest effect of interest or more in the expected direction, or, with a margin, every
    difference above -margin; `smallest_effect` is in the units of the score, at least 0, and holds for each comparison that has
    none of its own. `inconclusive` in all other cases, without a comparison, and if a comparison has fewer than `FEWEST_SEEDS`
    seeds.
    """
    if not smallest_effect >= 0.0:
        raise ValueError(f"smallest effect {smallest_effect}; expected 0 or more; give its size and put the sign in Expected")
    if any(item.comparison.seeds < FEWEST_SEEDS for item in expected):
        return "inconclusive"
    if expected and all(item.holds for item in expected):
        return "supported"
    if any(item.fails(smallest_effect) for item in expected):
        return "not supported"
    return "inconclusive"


def p_beyond(at: Callable[[float], Comparison], bound: float) -> float | None:
    """Two-sided p that the difference is `bound`: one minus the largest confidence whose interval excludes it.

    `at` makes the comparison at a level of confidence. None without an interval; 1 if the difference equals the bound.
    """
    low, high = 1e-6, 1.0 - 1e-6  # of p
    if at(0.95).low is None:
        return None

    def left_out(p: float) -> bool:
        c = at(1.0 - p)
        return c.low is not None and c.high is not None and not c.low <= bound <= c.high

    if not left_out(high):
        return 1.0
    if left_out(low):
        return low
    while high - low > 1e-4 * high:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if left_out(middle) else (middle, high)
    return high
