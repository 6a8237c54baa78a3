"""Correlations with intervals, such as how well a prompt is followed against how well it inoculates. Unit: one pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from openwindow.stats.intervals import check_confidence, critical

_FEWEST = 4
"""pairs below which Fisher's z has no standard error"""
_PERFECT = 1e-12
"""distance from 1 within which a correlation is perfect up to rounding"""
_NEAR = 1e-6
"""distance from 1 of what a perfect correlation counts as in a mean"""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation from -1 to 1 and its interval."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    """pairs in which both sides are known"""
    reason: str | None
    """why the estimate or its interval is None"""
    method: str


def _known(x: Sequence[float | None], y: Sequence[float | None]) -> list[tuple[float, float]]:
    """The pairs in which both sides are known."""
    if len(x) != len(y):
        raise ValueError(f"{len(x)} values against {len(y)}; expected pairs; use None for a value that is not known")
    known = [(float(a), float(b)) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    if not np.isfinite(np.array(known)).all():
        raise ValueError("a value is not finite; expected numbers; use None for a value that is not known")
    return known


def _fisher(r: float, used: float, variance: float, n: int, confidence: float, method: str) -> Correlation:
    """The interval on Fisher's z scale around `used`: `r`, or just inside it for a perfect rank correlation."""
    middle, half = math.atanh(used), critical(confidence) * math.sqrt(variance)
    return Correlation(r, min(r, math.tanh(middle - half)), max(r, math.tanh(middle + half)), n, None, method)


def pearson(x: Sequence[float | None], y: Sequence[float | None], confidence: float = 0.95) -> Correlation:
    """Pearson's correlation with Fisher's z interval, standard error 1 / sqrt(n - 3) (Fisher 1921, Metron 1:3).

    Pairs with a None are left out. None below four pairs, or if one side does not vary; no interval around a perfect
    correlation, where z is infinite. `scipy.stats.pearsonr(...).confidence_interval` is equal (tests/stats); the z interval is
    written out since `spearman` needs it with another variance.
    """
    check_confidence(confidence)
    known, method = _known(x, y), "Pearson, Fisher's z"
    n = len(known)
    if n < _FEWEST:
        return Correlation(None, None, None, n, f"{n} pairs; at least {_FEWEST} are needed", method)
    left, right = (np.array(side, dtype=np.float64) for side in zip(*known, strict=True))
    if np.ptp(left) == 0.0 or np.ptp(right) == 0.0:
        return Correlation(None, None, None, n, "one side does not vary", method)
    r = max(-1.0, min(1.0, float(np.corrcoef(left, right)[0, 1])))
    if 1.0 - abs(r) < _PERFECT:
        return Correlation(math.copysign(1.0, r), None, None, n, "a perfect correlation has no Fisher's z", method)
    return _fisher(r, r, 1.0 / (n - 3), n, confidence, method)


def spearman(x: Sequence[float | None], y: Sequence[float | None], confidence: float = 0.95) -> Correlation:
    """Spearman's rank correlation, ties at their mean rank, with a z interval.

    The variance on the z scale is (1 + r^2 / 2) / (n - 3) (Bonett and Wright 2000, Psychometrika 65:23). A perfect
    ranking is common among few items, so its far end is taken from 1 - 6 / (n (n^2 - 1)), half way to the greatest
    value below 1 (two neighbours swapped). Pairs with a None are left out; None below four pairs or if one side does
    not vary.
    """
    check_confidence(confidence)
    known, method = _known(x, y), "Spearman, Fisher's z with Bonett and Wright's variance"
    left, right = (stats.rankdata([pair[side] for pair in known]).tolist() for side in (0, 1))
    ranked = pearson(left, right, confidence)
    r, n = ranked.estimate, len(known)
    if r is None:
        return Correlation(None, None, None, n, ranked.reason, method)
    most = 1.0 - 6.0 / (n * (n * n - 1))
    return _fisher(r, max(-most, min(most, r)), (1.0 + r * r / 2) / (n - 3), n, confidence, method)


def repeated_correlation(rs: Sequence[float | None], unit: str, confidence: float = 0.95) -> Correlation:
    """The mean, on Fisher's z scale, of one correlation per repeat (a seed), with Student's t over the repeats; `n` counts them.

    None without a correlation; no interval with one repeat, or where all are equal. A correlation of 1 counts as just below it.
    """
    check_confidence(confidence)
    method = f"the mean of Fisher's z over {unit}s, Student's t"
    known = np.array([math.atanh(max(-1 + _NEAR, min(1 - _NEAR, r))) for r in rs if r is not None], dtype=np.float64)
    n = len(known)
    if n == 0:
        return Correlation(None, None, None, 0, f"no {unit} has a correlation", method)
    mean = float(np.mean(known))
    error = float(np.std(known, ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    if error <= _PERFECT:
        return Correlation(math.tanh(mean), None, None, n, f"{n} {unit}{' has' if n == 1 else 's have'} no spread", method)
    half = critical(confidence, n - 1) * error
    return Correlation(math.tanh(mean), math.tanh(mean - half), math.tanh(mean + half), n, None, method)
