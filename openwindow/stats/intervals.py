"""Intervals for what one arm of a study measures, over seeds and over units (problems, prompts).

The unit is named in every call, and the caller chooses the method; the type of the data never does. An interval
that is undefined is None with a reason; no interval has width zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from openwindow.stats.cells import Cells, Floats, Spread, Value, effective_size, spread_of, tabulate

Kind = Literal["rate", "share", "mean"]
"""`rate`: scores from 0 to 1, usually yes or no per unit. `share`: scores anywhere from 0 to 1, such as the area under a curve,
which vary less than yes and no of the same mean. `mean`: scores on any scale."""

End = Literal["ceiling", "floor"]
"""where the rate of an arm leaves no room: above 90 % or below 10 % at every seed"""

_CEILING, _FLOOR = 0.9, 0.1
DRAWS = 2000
"""number of resamples of a bootstrap, or of sign patterns of a permutation test"""
_NO_SPREAD = 1e-12
"""a standard error below this, relative to the estimate, is rounding, not spread"""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval in the units of the score."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """One measure of one arm; the fields of `results.json` and the method in words."""

    estimate: float | None
    """mean over seeds of the seeds' means, in the units of the score; None if nothing was scored"""
    low: float | None
    high: float | None
    n: int
    """scored cells, that is pairs of a seed and a unit"""
    unscored: int
    """cells that were requested and have no score"""
    by_seed: tuple[float | None, ...]
    """one mean per seed in the order given, None for a seed without a score"""
    reason: str | None
    """why the estimate or its interval is None"""
    method: str
    """how the interval was computed, and what it does not cover"""


def check_confidence(confidence: float) -> None:
    """ValueError unless the level is a proper fraction."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}; expected a number between 0 and 1, as 0.95")


def critical(confidence: float, freedom: float = math.inf) -> float:
    """Two-sided critical value of Student's t, or of the normal distribution if `freedom` is infinite."""
    quantile = 0.5 + confidence / 2
    return float(special.ndtri(quantile) if math.isinf(freedom) else special.stdtrit(freedom, quantile))


def tail(statistic: float, freedom: float = math.inf) -> float:
    """Two-sided p of a t statistic, or of a normal one if `freedom` is infinite."""
    below = -abs(statistic)
    return min(1.0, 2.0 * float(special.ndtr(below) if math.isinf(freedom) else special.stdtr(freedom, below)))


def hull(intervals: Sequence[Interval | None]) -> Interval | None:
    """The lowest low and the highest high; None if there is no interval."""
    known = [interval for interval in intervals if interval is not None]
    if not known:
        return None
    return Interval(min(i.low for i in known), max(i.high for i in known))


def score_ends(rate: float, n: float, score: float) -> Interval:
    """Wilson's ends (1927) for a proportion from `n` units (effective, so not always whole) at a critical value.

    `scipy.stats.binomtest(...).proportion_ci` takes whole counts alone and computes a p-value as well; where it applies, the two
    are equal (tests/stats).
    """
    square = score * score
    middle = (rate + square / (2 * n)) / (1 + square / n)
    half = score / (1 + square / n) * math.sqrt(max(0.0, rate * (1 - rate)) / n + square / (4 * n * n))
    return Interval(max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half)))


def wilson(successes: float, n: float, confidence: float = 0.95) -> Interval | None:
    """Score interval of a proportion, not continuity corrected (Wilson 1927, J Am Stat Assoc 22:209); None for n = 0.

    The unit is one independent trial; trials that share a problem are not independent (see `arm_rate`).
    """
    check_confidence(confidence)
    if n < 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}; expected 0 <= successes <= n; count successes among scored units")
    return score_ends(successes / n, n, critical(confidence)) if n > 0 else None


def spread_interval(estimate: float, variance: float, freedom: float, confidence: float) -> Interval | None:
    """Estimate plus and minus t standard errors; None without a spread or without degrees of freedom."""
    error = math.sqrt(max(0.0, variance))
    if freedom <= 0 or error <= _NO_SPREAD * max(1.0, abs(estimate)):
        return None
    half = critical(confidence, freedom) * error
    return Interval(estimate - half, estimate + half)


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Student's interval of a mean (Student 1908); the unit is one independent value, such as a seed's mean.

    None for fewer than two values, and for values that are all equal: their spread is not known to be zero.
    """
    check_confidence(confidence)
    n = len(values)
    if n < 2:
        return None
    return spread_interval(math.fsum(values) / n, float(np.var(values, ddof=1)) / n, n - 1, confidence)


def cluster_means(values: Floats, weights: Floats, clusters: Sequence[int], rng: np.random.Generator, draws: int) -> Floats:
    """Weighted means of `draws` resamples that take whole clusters (numbered from 0) with replacement."""
    mass = np.bincount(clusters, weights=weights)
    total = np.bincount(clusters, weights=weights * values)
    chosen = rng.integers(0, len(mass), size=(draws, len(mass)))
    means: Floats = total[chosen].sum(axis=1) / mass[chosen].sum(axis=1)
    return means


def percentile_ends(means: Floats, confidence: float) -> Interval | None:
    """The middle `confidence` of resampled means; None where they do not differ."""
    low, high = (float(end) for end in np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2]))
    return Interval(low, high) if high - low > _NO_SPREAD * max(1.0, abs(low)) else None


def end_of(rates: Sequence[float]) -> End | None:
    """The end of the scale that the rates of all seeds are at; None without a rate."""
    if not rates:
        return None
    return "ceiling" if all(rate > _CEILING for rate in rates) else "floor" if all(rate < _FLOOR for rate in rates) else None


def has_spread(cells: Cells, spread: Spread) -> bool:
    """Whether scores on a continuous scale vary between units, so that their interval can be had from how they do."""
    return spread_interval(cells.mean, spread.unit, cells.unit_count - 1, 0.95) is not None


def crossed_freedom(cells: Cells, spread: Spread) -> tuple[float, float]:
    """Variance of the mean with seeds and units both random, and its degrees of freedom (Satterthwaite 1946)."""
    unit = max(0.0, spread.unit - spread.cell)
    variance = spread.seed + unit
    if variance <= 0.0 or cells.seed_count < 2:
        return 0.0, 0.0
    error = spread.seed**2 / (cells.seed_count - 1) + unit**2 / max(1, cells.unit_count - 1)
    return variance, variance**2 / error if error > 0.0 else 0.0


def unit_freedom(cells: Cells) -> float:
    """Degrees of freedom of a score interval: infinite if each unit is one coin, units - 1 if a spread is estimated."""
    coins = cells.seed_count == 1 and cells.unit_count == len(cells.values)
    return math.inf if coins else float(max(1, cells.unit_count - 1))


def seed_score_ends(cells: Cells, spread: Spread, confidence: float) -> Interval | None:
    """Score interval of a rate with the seed as the unit: Wilson's form, overdispersed by the spread between seeds.

    The variance is that of a binomial at the tested rate times a factor estimated from the seeds' means, never below 1
    (quasi-binomial; McCullagh and Nelder 1989, section 4.5), with S - 1 degrees of freedom. Near 0 and 1, where the
    seeds' rates are skewed and can all be equal by chance, Student's t alone is too short on the far side. None with
    one seed.
    """
    if cells.seed_count < 2:
        return None
    rate, size = cells.mean, cells.size
    if spread.seed > rate * (1 - rate) / size:
        size = rate * (1 - rate) / spread.seed
    return score_ends(rate, size, critical(confidence, cells.seed_count - 1))


def crossed_score_ends(cells: Cells, spread: Spread, confidence: float) -> Interval | None:
    """Score interval of a rate at the variance of `crossed_freedom`; it relates to t as `seed_score_ends` does over the seeds."""
    variance, freedom = crossed_freedom(cells, spread)
    rate = cells.mean
    if variance <= 0.0 or not 0.0 < rate < 1.0:
        return None
    return score_ends(rate, min(cells.size, rate * (1 - rate) / variance), critical(confidence, freedom))


def _mean_interval(cells: Cells, spread: Spread, confidence: float, rng: np.random.Generator, draws: int) -> Interval | None:
    """Unit-level interval of a mean on any scale: the hull of the cluster bootstrap and a cluster-robust t interval."""
    floor = spread_interval(cells.mean, spread.unit, cells.unit_count - 1, confidence)
    if floor is None:
        return None
    means = cluster_means(cells.values, cells.weights, cells.units.tolist(), rng, draws)
    return hull([floor, percentile_ends(means, confidence)])


def plural(noun: str, n: int) -> str:
    """The noun in the form that follows the number: `family`, `families`."""
    return noun if n == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def describe(core: str, over_seeds: str, cells: Cells, unit: str, confidence: float) -> str:
    """Describes the method, with the unit, the counts and what is not covered."""
    units = f"{cells.unit_count} {plural(unit, cells.unit_count)}"
    level = f"{100 * confidence:g}%"
    if cells.seed_count == 1:
        return f"{level}: {core} over {units}; one seed, so seed-to-seed variation is not measured"
    return (
        f"{level}: the wider end, on each side, of {over_seeds} over {cells.seed_count} seeds, {core} over {units} "
        f"(a {unit} under several seeds is one cluster), and t with seed and {unit} variances added"
    )


def arm_rate(
    values_by_seed: Sequence[Mapping[str, Value]],
    *,
    kind: Kind = "rate",
    unit: str = "problem",
    clusters: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
    draws: int = DRAWS,
) -> Estimate:
    """The mean over seeds of the seeds' means over items, with an interval that treats seeds and units as sampled.

    `values_by_seed` holds one mapping per seed, from item id to score or None (unscored). `clusters` names the unit that
    an item belongs to (a problem's family, a reply's problem); `unit` is the word for a unit. With two seeds or
    more the interval is the hull of
    - Student's t over the seeds' means, and for a `rate` also its score form (`seed_score_ends`);
    - the unit-level interval: for a `rate`, Wilson's at the effective sample size with a t critical value (Korn and
      Graubard 1998, Survey Methodology 24:193); for a `share` or `mean`, the cluster bootstrap with a t floor, which needs `rng`;
    - t with the variances of seeds and units added (`crossed_freedom`): if both vary, neither of the others is wide
      enough alone.
    With one seed there is only the unit-level interval, and `method` says so. A `rate` or `share` is clipped to [0, 1]; scores
    outside that range raise ValueError. A `share` without spread, or near one end at every seed, has what a `rate` has as well.
    """
    check_confidence(confidence)
    if kind != "rate" and rng is None:
        raise ValueError(f"kind {kind!r} came without rng; expected a numpy Generator; pass rng=numpy.random.default_rng(seed)")
    cells = tabulate(values_by_seed, clusters)
    check_rates(cells.values, kind)
    n, asked = len(cells.values), sum(len(of_seed) for of_seed in values_by_seed)
    if n == 0:
        reason = f"no scored {unit}" if asked else f"no {unit} was asked for"
        return Estimate(None, None, None, 0, asked, cells.by_seed, reason, "none")
    spread, mean = spread_of(cells), cells.mean
    at_end = end_of(cells.seed_means.tolist()) is not None
    if rng is None or kind == "rate" or (kind == "share" and (at_end or not has_spread(cells, spread))):
        core, over_seeds, limits = "Wilson", "t and its score form", (0.0, 1.0)
        score = critical(confidence, unit_freedom(cells))
        of_units: Interval | None = score_ends(mean, effective_size(cells, spread), score)
        score_form = seed_score_ends(cells, spread, confidence)
    else:
        core, over_seeds, limits = "cluster bootstrap with a t floor", "t", (0.0, 1.0) if kind == "share" else (-math.inf, math.inf)
        of_units, score_form = _mean_interval(cells, spread, confidence, rng, draws), None
    of_seeds = spread_interval(mean, spread.seed, cells.seed_count - 1, confidence)
    crossed = spread_interval(mean, *crossed_freedom(cells, spread), confidence)
    widest = hull(
        [of_units, of_seeds, score_form, crossed, crossed_score_ends(cells, spread, confidence) if kind == "rate" else None]
    )
    method = describe(core, over_seeds, cells, unit, confidence)
    if widest is None:
        return Estimate(mean, None, None, n, asked - n, cells.by_seed, no_interval(n), method)
    low, high = max(limits[0], widest.low), min(limits[1], widest.high)
    return Estimate(mean, low, high, n, asked - n, cells.by_seed, None, method)


def check_rates(values: Floats, kind: Kind) -> None:
    """ValueError if a score of a rate or share is not between 0 and 1."""
    wrong = values[(values < 0.0) | (values > 1.0)] if kind != "mean" else values[:0]
    if len(wrong):
        raise ValueError(f"a score of {wrong[0]:g} for a rate; expected 0 to 1; pass kind='mean' for other scales")


def no_interval(n: int) -> str:
    """Why scores that give an estimate give no interval."""
    return "one score has no spread to judge by" if n == 1 else "all scores are equal, so their spread is not known"
