"""Measured coverage of the 95 % intervals: simulated studies whose true value is known.

A seed's true rate is normal around `rate` with the standard deviation `sd`, cut to [0, 1]; at 0.02 and 0.1 that leaves
four seeds in ten at exactly 0 and a long tail, the hardest case for an interval.
"""

import numpy as np
import pytest
from scipy import stats

from openwindow.stats import arm_rate, paired_difference, t_interval
from openwindow.stats.intervals import cluster_means, percentile_ends

pytestmark = pytest.mark.slow

STUDIES = 200
PROBLEMS = 50
IDS = [f"p{i:03d}" for i in range(PROBLEMS)]
CASES = [(seeds, sd, rate) for seeds in (3, 5, 10) for sd in (0.0, 0.1) for rate in (0.02, 0.3, 0.7)]


def cut_mean(rate, sd):
    """Mean of a normal variable cut to [0, 1]."""
    if sd == 0.0:
        return rate
    low, high = -rate / sd, (1 - rate) / sd
    inside = rate * (stats.norm.cdf(high) - stats.norm.cdf(low)) + sd * (stats.norm.pdf(low) - stats.norm.pdf(high))
    return inside + stats.norm.sf(high)


def study(rng, seeds, rate, sd, difficulty=None):
    """One arm's scores; `difficulty` is added to the rate of each problem under every seed."""
    rates = np.clip(rng.normal(rate, sd, size=(seeds, 1)), 0, 1) + (np.zeros(PROBLEMS) if difficulty is None else difficulty)
    hits = rng.random((seeds, PROBLEMS)) < rates
    return [dict(zip(IDS, row, strict=True)) for row in hits.tolist()]


def coverage(covers):
    """The share of simulated studies that `covers` holds for; one that looks low after 200 gets 800 more to tell."""
    held = [covers() for _ in range(STUDIES)]
    if np.mean(held) < 0.945:
        held += [covers() for _ in range(4 * STUDIES)]
    return float(np.mean(held))


@pytest.mark.parametrize(("seeds", "sd", "rate"), CASES)
def test_arm_rate_covers(seeds, sd, rate):
    rng, truth = np.random.default_rng([seeds, int(100 * rate)]), cut_mean(rate, sd)

    def covers():
        estimate = arm_rate(study(rng, seeds, rate, sd))
        return estimate.low <= truth <= estimate.high

    measured = coverage(covers)
    assert measured >= 0.93, f"measured coverage {measured:.3f} with {seeds} seeds, sd {sd}, rate {rate}"


@pytest.mark.parametrize(("seeds", "sd", "rate"), CASES)
def test_paired_difference_covers(seeds, sd, rate):
    rng, truth = np.random.default_rng([seeds, int(100 * rate)]), cut_mean(rate + 0.1, sd) - cut_mean(rate, sd)

    def covers():
        result = paired_difference(study(rng, seeds, rate + 0.1, sd), study(rng, seeds, rate, sd), rng=rng)
        assert (result.p < 0.05) == (result.low > 0 or result.high < 0)
        return result.low <= truth <= result.high

    measured = coverage(covers)
    assert measured >= 0.93, f"measured coverage {measured:.3f} with {seeds} seeds, sd {sd}, rate {rate}"


@pytest.mark.parametrize("seeds", [3, 10])
def test_arm_rate_covers_when_seeds_and_problems_both_vary(seeds):
    """All seeds share their problems, so at ten seeds t over seeds covers too little: the variances must be added."""
    rng, by_t = np.random.default_rng(seeds), []

    def covers():
        estimate = arm_rate(study(rng, seeds, 0.5, 0.06, rng.choice([-0.3, 0.3], size=PROBLEMS)))
        of_seeds = t_interval(estimate.by_seed)
        by_t.append(of_seeds is not None and of_seeds.low <= 0.5 <= of_seeds.high)
        return estimate.low <= 0.5 <= estimate.high

    measured = coverage(covers)
    assert measured >= 0.93, f"measured coverage {measured:.3f} with {seeds} seeds"
    if seeds == 10:
        assert np.mean(by_t) < 0.85, f"t over seeds alone covers {np.mean(by_t):.3f}: the case is too easy"


def test_a_percentile_bootstrap_over_three_seeds_covers_too_little():
    """The check can fail: the usual interval over three seeds' rates is in effect their range, which holds 75 %."""
    rng, truth = np.random.default_rng(0), cut_mean(0.3, 0.1)

    def covers():
        means = [mean for mean in arm_rate(study(rng, 3, 0.3, 0.1)).by_seed if mean is not None]
        drawn = cluster_means(np.array(means), np.ones(len(means)), range(len(means)), rng, 2000)
        interval = percentile_ends(drawn, 0.95)
        return interval is not None and interval.low <= truth <= interval.high

    measured = float(np.mean([covers() for _ in range(STUDIES)]))
    assert measured < 0.85, f"measured coverage {measured:.3f}"
