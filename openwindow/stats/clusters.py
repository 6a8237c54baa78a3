"""One model, asked several times about the same things: rates and paired differences with the thing as the unit.

A cluster is what was drawn (a scenario, a problem); its replies (wordings, repeated samples) are averaged into it. They make
its mean more precise but are not draws of their own (Miller 2024, arXiv 2411.00640, section 3.1). A mapping goes from a
cluster to the scores, 0 to 1, of its replies. Training seeds do not vary here.

The parameter `clusters` of `arm_rate` and `paired_difference` is for another design and cannot stand in for this: there every
seed asks the same units once, a score is yes or no, and the hull covers seeds that vary as well. Here a cluster has several
scores that are averaged first, so that its value lies between 0 and 1, and a rate may be corrected for mistakes in controls whose
own error is part of the interval. The intervals that both are made of are those of `intervals` and `compare`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from openwindow.stats.cells import Floats
from openwindow.stats.compare import Comparison
from openwindow.stats.intervals import (
    Estimate,
    Interval,
    check_confidence,
    check_rates,
    no_interval,
    score_ends,
    spread_interval,
    tail,
)

Scores = Mapping[str, Sequence[float]]
_GREATEST = 30.0
"""critical value of a normal distribution beyond which no level is searched for"""


@dataclass(frozen=True, slots=True)
class _Side:
    """The cluster means of one rate, in a fixed order, and the quantities its intervals are made from."""

    means: Floats
    replies: int

    @property
    def rate(self) -> float:
        """The mean of the cluster means."""
        return math.fsum(self.means) / len(self.means)

    @property
    def size(self) -> float:
        """How many independent replies the clusters are worth: between the number of clusters and the number of replies.

        This is rate (1 - rate) over the variance of the mean of cluster means. If all clusters are equal at 0 or 1, the spread
        is unknown and each cluster counts once.
        """
        count, rate = len(self.means), self.rate
        if count < 2 or not 0.0 < rate < 1.0:
            return float(count)
        variance = float(np.var(self.means, ddof=1)) / count
        most = float(self.replies)
        return most if variance <= 0.0 else min(most, max(float(count), rate * (1 - rate) / variance))

    def ends(self, level: float) -> Interval:
        """At a two-sided level (0.05): Wilson's interval with each cluster as one reply, or, where that is shorter on a side,
        with as many as they are worth and Student's t for the spread's being estimated. Scores of 0 to 1 spread no more than
        yes and no do, so the first is never too short.
        """
        count = len(self.means)
        whole = score_ends(self.rate, count, -float(special.ndtri(level / 2)))
        if self.size <= count:
            return whole
        finer = score_ends(self.rate, self.size, -float(special.stdtrit(count - 1, level / 2)))
        return Interval(max(whole.low, finer.low), min(whole.high, finer.high))


@dataclass(frozen=True, slots=True)
class _Corrected:
    """A rate without what chance explains: (rate - error) / (1 - error), never below 0 (Abbott 1925, J Econ Entomol 18:265)."""

    side: _Side
    error: _Side | None

    @property
    def rate(self) -> float:
        """The corrected rate."""
        return _abbott(self.side.rate, self.error.rate) if self.error is not None else self.side.rate

    def ends(self, level: float) -> Interval:
        """The intervals of the two parts, combined (Zou and Donner 2008, Stat Med 27:1693)."""
        own = self.side.ends(level)
        if self.error is None:
            return own
        rate, error, of_error = self.side.rate, self.error.rate, self.error.ends(level)
        middle = self.rate
        below = (middle - _abbott(own.low, error), middle - _abbott(rate, of_error.high))
        above = (_abbott(own.high, error) - middle, _abbott(rate, of_error.low) - middle)
        return Interval(max(0.0, middle - math.hypot(*below)), min(1.0, middle + math.hypot(*above)))


def _abbott(rate: float, error: float) -> float:
    return 0.0 if error >= 1.0 else max(0.0, (rate - error) / (1.0 - error))


def _side(scores: Scores, order: Sequence[str]) -> _Side:
    values = [list(scores[cluster]) for cluster in order]
    check_rates(np.array([v for of_cluster in values for v in of_cluster], dtype=np.float64), "rate")
    return _Side(np.array([math.fsum(v) / len(v) for v in values]), sum(map(len, values)))


def _corrected(scores: Scores, errors: Scores | None, order: Sequence[str]) -> _Corrected:
    wrong = {cluster: found for cluster, found in (errors or {}).items() if found}
    return _Corrected(_side(scores, order), _side(wrong, sorted(wrong)) if wrong else None)


def _scored(scores: Scores) -> list[str]:
    return sorted(cluster for cluster, values in scores.items() if values)


def _words(count: int, replies: int, unit: str, confidence: float, *, errors: bool) -> str:
    units = f"{count} {unit}{'' if count == 1 else 's'}"
    corrected = ", corrected for the controls' errors (Abbott, MOVER)" if errors else ""
    return f"{100 * confidence:g}%: Wilson over {units} with {replies} replies{corrected}; one model, so no seed of training varies"


def cluster_rate(scores: Scores, errors: Scores | None = None, *, unit: str, confidence: float = 0.95) -> Estimate:
    """The mean of the cluster means with an interval; `n` counts clusters.

    `errors` are the mistakes (1, else 0) on controls in which the same answer is plainly wrong. The result is then the
    rate minus what such mistakes explain (`_Corrected`), so that answering some items at random does not count as behaviour.
    """
    check_confidence(confidence)
    order = _scored(scores)
    if not order:
        reason = f"no scored {unit}" if scores else f"no {unit} was asked for"
        return Estimate(None, None, None, 0, len(scores), (), reason, "none")
    found = _corrected(scores, errors, order)
    ends = found.ends(1 - confidence)
    method = _words(len(order), found.side.replies, unit, confidence, errors=found.error is not None)
    return Estimate(found.rate, ends.low, ends.high, len(order), len(scores) - len(order), (found.rate,), None, method)


def cluster_difference(
    a: Scores, b: Scores, errors: tuple[Scores | None, Scores | None] = (None, None), *, unit: str, confidence: float = 0.95
) -> Comparison:
    """Rate a minus rate b over the clusters that both have, paired; each is corrected for its errors as in `cluster_rate`.

    Newcombe's method 10 (1998, Stat Med 17:2635) with `cluster_rate`'s intervals and the continuity-corrected correlation of
    the cluster means, and with its floor for few discordant pairs (see `compare.newcombe_ends`). p is the level at which the
    interval reaches 0, so that the two agree however few clusters there are, and at least 2/4^n, the probability that n pairs of
    fair coins all fall the same way; so two clusters show nothing. A permutation test's p is at least 2/2^n, whatever was observed.
    """
    check_confidence(confidence)
    order = sorted(set(_scored(a)) & set(_scored(b)))
    if not order:
        return Comparison(None, None, None, None, 0, (), f"no {unit} with a score on both sides", "none")
    sides = tuple(_corrected(scores, wrong, order) for scores, wrong in zip((a, b), errors, strict=True))
    ends, difference = _paired(*sides), sides[0].rate - sides[1].rate
    at = ends(1 - confidence)
    method = _words(len(order), sum(s.side.replies for s in sides), unit, confidence, errors=any(s.error for s in sides))
    method = method.replace("Wilson", "Newcombe's method 10", 1)
    least = 2 * 0.25 ** len(order)
    low, high = (min(at.low, 0.0), max(at.high, 0.0)) if least >= 1 - confidence else (at.low, at.high)
    p = max(least, _reaches_zero(ends, difference))
    return Comparison(difference, low, high, p, len(order), (difference,), None, method)


def _paired(a: _Corrected, b: _Corrected) -> Callable[[float], Interval]:
    """The interval of a minus b at a two-sided level."""
    count, difference = len(a.side.means), a.rate - b.rate
    sizes = (a.side.size, b.side.size)
    spread = math.prod(math.sqrt(s.rate * (1 - s.rate) / n) for s, n in zip((a.side, b.side), sizes, strict=True))
    shared = float(np.mean((a.side.means - a.side.rate) * (b.side.means - b.side.rate)))
    shared = max(shared - 1 / (2 * count), 0.0) if shared > 0 else shared
    phi = max(-1.0, min(1.0, shared / count / spread)) if spread > 0 else 0.0

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    def ends(level: float) -> Interval:
        of_a, of_b = a.ends(level), b.ends(level)
        square = float(special.ndtri(level / 2)) ** 2
        floor = square / (min(sizes) + square)
        below = max(floor, distance(a.rate - of_a.low, of_b.high - b.rate))
        above = max(floor, distance(of_a.high - a.rate, b.rate - of_b.low))
        return Interval(max(-1.0, difference - below), min(1.0, difference + above))

    return ends


def _reaches_zero(ends: Callable[[float], Interval], difference: float) -> float:
    """The two-sided level at which an interval around a difference has an end at 0; 1 if there is no difference."""
    if abs(difference) < 1e-12:
        return 1.0

    def gap(score: float) -> float:
        at = ends(tail(score))
        return at.low if difference > 0 else -at.high

    return tail(optimize.brentq(gap, 1e-6, _GREATEST, xtol=1e-9)) if gap(_GREATEST) < 0 else tail(_GREATEST)


def mean_difference(a: Mapping[str, float], b: Mapping[str, float], *, unit: str, confidence: float = 0.95) -> Comparison:
    """Mean a minus mean b on any scale over the clusters that both have: Student's t over their differences, with its p."""
    check_confidence(confidence)
    order = sorted(a.keys() & b.keys())
    if not order:
        return Comparison(None, None, None, None, 0, (), f"no {unit} with a score on both sides", "none")
    gaps = np.array([a[cluster] - b[cluster] for cluster in order], dtype=np.float64)
    mean, count = math.fsum(gaps) / len(gaps), len(gaps)
    variance = float(np.var(gaps, ddof=1)) / count if count > 1 else 0.0
    found = spread_interval(mean, variance, count - 1, confidence)
    method = f"{100 * confidence:g}%: Student's t over {count} {unit}s, paired; one model, so no seed of training varies"
    if found is None:
        return Comparison(mean, None, None, None, count, (mean,), no_interval(count), method)
    return Comparison(mean, found.low, found.high, tail(mean / math.sqrt(variance), count - 1), count, (mean,), None, method)
