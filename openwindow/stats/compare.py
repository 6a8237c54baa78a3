"""Comparisons between two arms, paired by seed and by unit (problem, prompt).

An interval and its p value agree: p < 1 - confidence exactly when the interval excludes 0. Each part of the interval
comes with its own test, p is the largest of them, and 0 stays inside as long as the permutation test does not reject it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from openwindow.stats.cells import Cells, Floats, Spread, Value, check_value, effective_size, spread_of, tabulate
from openwindow.stats.intervals import (
    DRAWS,
    End,
    Interval,
    Kind,
    check_confidence,
    check_rates,
    cluster_means,
    critical,
    crossed_freedom,
    describe,
    end_of,
    has_spread,
    hull,
    no_interval,
    percentile_ends,
    score_ends,
    spread_interval,
    tail,
    unit_freedom,
)

_FEWEST_FLIPS = 10
"""units of several cells below which signs are not flipped: the smallest p with n units is 2 / 2^n, whatever their cells show"""
_MOST_EXACT = 5000
"""largest sum of cluster differences for which every sign pattern is counted"""
_GREATEST_SCORE = 35.0
"""critical value beyond which a normal p is 0 in float precision"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far arm a lies above arm b on one measure in one context."""

    difference: float | None
    """mean over seeds of the mean paired difference a - b, in the units of the score"""
    low: float | None
    high: float | None
    p: float | None
    """two-sided, of no difference; not adjusted for other comparisons (see `holm`)"""
    n_pairs: int
    """pairs of a seed and a unit with a score in both arms"""
    by_seed: tuple[float | None, ...]
    """one mean paired difference per seed in the order given, None for a seed without a pair"""
    reason: str | None
    """why the difference, its interval or p is None"""
    method: str
    """how the interval and p were computed, and what they do not cover"""
    at_end: tuple[End | None, End | None] = (None, None)
    """for a rate or share: whether arm a, and arm b, is at an end of the scale at every seed, where seeds may agree by chance"""

    @property
    def seeds(self) -> int:
        """Seeds with a pair."""
        return sum(value is not None for value in self.by_seed)

    def with_p(self, p: float | None) -> Comparison:
        """The same comparison with the p of another hypothesis."""
        return replace(self, p=p)


@dataclass(frozen=True, slots=True)
class _Part:
    """One interval for the difference and the p value that belongs to it."""

    interval: Interval | None
    p: float


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The paired scores: their differences as cells, and the two arms' scores in the same order."""

    cells: Cells
    a: Floats
    b: Floats


def _pair_up(
    a_by_seed: Sequence[Mapping[str, Value]], b_by_seed: Sequence[Mapping[str, Value]], clusters: Mapping[str, str] | None
) -> _Pairs:
    """The cells that have a score in both arms."""
    if len(a_by_seed) != len(b_by_seed):
        raise ValueError(
            f"{len(a_by_seed)} seeds against {len(b_by_seed)}; expected the same seeds in the same order; "
            "use an empty mapping for a seed that an arm lacks"
        )
    differences: list[dict[str, Value]] = []
    sides: list[tuple[float, float]] = []
    for a_seed, b_seed in zip(a_by_seed, b_by_seed, strict=True):
        of_seed: dict[str, Value] = {}
        for unit in sorted(a_seed.keys() & b_seed.keys()):
            a, b = check_value(a_seed[unit], unit), check_value(b_seed[unit], unit)
            if a is not None and b is not None:
                of_seed[unit] = a - b
                sides.append((a, b))
        differences.append(of_seed)
    array = np.array(sides, dtype=np.float64).reshape(-1, 2)
    return _Pairs(tabulate(differences, clusters), array[:, 0], array[:, 1])


def newcombe_ends(both: float, only_a: float, only_b: float, neither: float, score: float) -> Interval:
    """Interval of the difference of two paired proportions at a critical value `score`; arguments are counts of pairs.

    Method 10 of Newcombe 1998 (Stat Med 17:2635): combines Wilson's intervals of the two proportions using a
    continuity-corrected correlation phi. With a floor: each side reaches at least as far as Wilson's upper limit of 0
    discordant pairs, since phi near 1 makes method 10 too narrow for few discordant pairs (by half, if all agree).
    """
    n = both + only_a + only_b + neither
    rate_a, rate_b = (both + only_a) / n, (both + only_b) / n
    of_a, of_b = score_ends(rate_a, n, score), score_ends(rate_b, n, score)
    product = both * neither - only_a * only_b
    scale = math.sqrt(rate_a * (1 - rate_a) * rate_b * (1 - rate_b)) * n * n
    corrected = max(product - n / 2, 0.0) if product > 0 else product
    phi = max(-1.0, min(1.0, corrected / scale)) if scale > 0 else 0.0

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    difference, floor = rate_a - rate_b, score * score / (n + score * score)
    below = max(floor, distance(rate_a - of_a.low, of_b.high - rate_b))
    above = max(floor, distance(of_a.high - rate_a, rate_b - of_b.low))
    return Interval(max(-1.0, difference - below), min(1.0, difference + above))


def _exact_flips(sums: np.typing.NDArray[np.int64]) -> float:
    """Probability, over all sign patterns of whole numbers, of a total at least as far from 0 as the observed one."""
    observed, reach = abs(int(sums.sum())), int(np.abs(sums).sum())
    if reach == 0:
        return 1.0
    distribution: Floats = np.ones(1)
    for size, count in zip(*np.unique(np.abs(sums[sums != 0]), return_counts=True), strict=True):
        heads = np.arange(count + 1)
        chances = special.gammaln(count + 1) - special.gammaln(heads + 1) - special.gammaln(count - heads + 1)
        steps = np.zeros(2 * int(size) * int(count) + 1)
        steps[:: 2 * int(size)] = np.exp(chances - count * math.log(2))
        distribution = np.convolve(distribution, steps)
    totals = np.abs(np.arange(-reach, reach + 1))
    return min(1.0, float(distribution[totals >= observed].sum()))


def sign_flip_p(sums: Sequence[float], rng: np.random.Generator, draws: int = DRAWS) -> float:
    """Two-sided p that sums of differences, one per cluster, are symmetric around 0 (Fisher 1935, Design of Experiments).

    Each cluster's sign is flipped as a whole. If the sums are whole numbers, every sign pattern is counted, which for
    sums of 1 and -1 is McNemar's exact test; otherwise `draws` random patterns are, including the observed one.
    """
    array = np.asarray(sums, dtype=np.float64)
    whole = np.rint(array)
    if np.array_equal(whole, array) and np.abs(array).sum() <= _MOST_EXACT:
        return _exact_flips(whole.astype(np.int64))
    signs = rng.integers(0, 2, size=(draws, len(array))) * 2.0 - 1.0
    totals = np.abs(signs @ array)
    slack = 1e-9 * float(np.abs(array).sum())
    return (1 + int(np.count_nonzero(totals >= abs(float(array.sum())) - slack))) / (draws + 1)


def _spread_part(difference: float, variance: float, freedom: float, confidence: float) -> _Part:
    """The t interval and the t test of a difference; no interval and p = 0 if the spread is unknown."""
    interval = spread_interval(difference, variance, freedom, confidence)
    return _Part(interval, tail(difference / math.sqrt(variance), freedom) if interval is not None else 0.0)


def _newcombe_part(pairs: _Pairs, size: float, freedom: float, confidence: float) -> _Part:
    """Newcombe's interval at an effective number of pairs, and the p of the level at which it reaches 0."""
    a, b, weights = pairs.a, pairs.b, pairs.cells.weights * size
    both, only_a, only_b, neither = (float(weights @ (x * y)) for x in (a, 1 - a) for y in (b, 1 - b))
    interval = newcombe_ends(both, only_a, only_b, neither, critical(confidence, freedom))
    if abs(only_a - only_b) <= 1e-12 * size:
        return _Part(interval, 1.0)

    def gap(score: float) -> float:
        ends = newcombe_ends(both, only_a, only_b, neither, score)
        return ends.low if only_a > only_b else -ends.high

    limit = optimize.brentq(gap, 0.0, _GREATEST_SCORE, xtol=1e-10) if gap(_GREATEST_SCORE) < 0 else _GREATEST_SCORE
    return _Part(interval, tail(limit, freedom))


def _rate_parts(pairs: _Pairs, spread: Spread, ends: tuple[End | None, End | None], confidence: float) -> tuple[_Part, ...]:
    """Newcombe's interval over units; also with the seed as its unit if the seeds agree, which they may by chance.

    If the seeds' differences are equal, or both arms are at an end of the scale, t over the seeds says nothing or far
    too little. The second part is a binomial's at the number of cells, overdispersed by what the seeds do show, with S - 1
    degrees of freedom: for a difference, the counterpart of `seed_score_ends` for a rate.
    """
    cells = pairs.cells
    of_units = _newcombe_part(pairs, effective_size(cells, spread), unit_freedom(cells), confidence)
    known = spread_interval(cells.mean, spread.seed, cells.seed_count - 1, confidence) is not None
    if cells.seed_count < 2 or (known and None in ends):
        return (of_units,)
    size, independent = cells.size, float(cells.weights @ (cells.values - cells.mean) ** 2) / cells.size
    if spread.seed > independent > 0.0:
        size *= independent / spread.seed
    return of_units, _newcombe_part(pairs, size, cells.seed_count - 1, confidence)


def _ends_of(pairs: _Pairs) -> tuple[End | None, End | None]:
    """Which of the arms are at one end of the scale at every seed."""

    def end(scores: Floats) -> End | None:
        return end_of((np.bincount(pairs.cells.seeds, weights=scores) / np.bincount(pairs.cells.seeds)).tolist())

    return end(pairs.a), end(pairs.b)


def _mean_parts(cells: Cells, spread: Spread, confidence: float, rng: np.random.Generator, draws: int) -> tuple[_Part, ...]:
    """The cluster-robust t interval, which is the floor, and the percentile interval of the cluster bootstrap."""
    floor = _spread_part(cells.mean, spread.unit, cells.unit_count - 1, confidence)
    if floor.interval is None:
        return (floor,)
    means = cluster_means(cells.values, cells.weights, cells.units.tolist(), rng, draws)
    beyond = min(int(np.count_nonzero(means <= 0.0)), int(np.count_nonzero(means >= 0.0)))
    return floor, _Part(percentile_ends(means, confidence), min(1.0, 2 * (beyond + 1) / (draws + 1)))


def paired_difference(
    a_by_seed: Sequence[Mapping[str, Value]],
    b_by_seed: Sequence[Mapping[str, Value]],
    *,
    rng: np.random.Generator,
    kind: Kind = "rate",
    unit: str = "problem",
    clusters: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Comparison:
    """Arm a minus arm b, over the seeds and items that have a score in both; seeds are paired by position.

    The difference is the mean over seeds of the mean paired difference; items and `clusters` are as in `arm_rate`. With
    two seeds or more the interval is the hull of Student's t over the seeds' differences (df = S - 1), the unit-level
    interval, and t with the variances of seeds and units added. The unit-level interval of a `rate` is Newcombe's method
    10 with a floor, at the effective number of pairs, and the same with the seed as the unit if seeds agree
    (`_rate_parts`); for a `share` or `mean` it is the paired cluster bootstrap with a t floor, but for a `share` that of a rate if
    its differences have no spread or both arms are at an end of the scale. p is the largest p of the parts and of
    the permutation test that flips the sign of each unit's differences (`sign_flip_p`; McNemar's exact test for one seed
    of 0/1 scores), which is left out below ten units of several cells each; 0 stays in the interval as long as that test does
    not reject it, so that interval and p agree. With one seed there is only the unit level, and `method` says so.
    """
    check_confidence(confidence)
    pairs = _pair_up(a_by_seed, b_by_seed, clusters)
    cells, n = pairs.cells, len(pairs.a)
    check_rates(np.concatenate([pairs.a, pairs.b]), kind)
    if n == 0:
        return Comparison(None, None, None, None, 0, cells.by_seed, f"no {unit} with a score in both arms", "none")
    spread, mean = spread_of(cells), cells.mean
    limit = math.inf if kind == "mean" else 1.0
    ends: tuple[End | None, End | None] = (None, None) if kind == "mean" else _ends_of(pairs)
    if kind == "rate" or (kind == "share" and (None not in ends or not has_spread(cells, spread))):
        core, parts = "Newcombe's method 10", _rate_parts(pairs, spread, ends, confidence)
    else:
        core, parts = "paired cluster bootstrap with a t floor", _mean_parts(cells, spread, confidence, rng, draws)
    of_seeds = _spread_part(mean, spread.seed, cells.seed_count - 1, confidence)
    crossed = _spread_part(mean, *crossed_freedom(cells, spread), confidence)
    parts = (*parts, of_seeds, crossed)
    widest = hull([part.interval for part in parts])
    flipped = cells.unit_count >= _FEWEST_FLIPS or cells.unit_count == n
    by_flips = f" and of sign flips by {unit}" if flipped else ""
    method = f"{describe(core, 't', cells, unit, confidence)}; p: the greatest of their tests{by_flips}"
    if widest is None:
        return Comparison(mean, None, None, None, n, cells.by_seed, no_interval(n), method)
    flips = sign_flip_p(_flip_sums(cells), rng, draws) if flipped else 0.0
    low, high = max(-limit, widest.low), min(limit, widest.high)
    if flips >= 1 - confidence:
        low, high = min(low, 0.0), max(high, 0.0)
    p = max(flips, *(part.p for part in parts))
    return Comparison(mean, low, high, p, n, cells.by_seed, None, method, ends)


def _flip_sums(cells: Cells) -> list[float]:
    """Each unit's summed difference; unweighted where scores are 0/1, so that sign patterns can be counted."""
    whole = np.array_equal(np.rint(cells.values), cells.values)
    weighted = cells.values if whole else cells.values * cells.weights
    sums: list[float] = np.bincount(cells.units, weights=weighted).tolist()
    return sums
