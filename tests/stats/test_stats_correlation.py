"""Correlations against numbers worked by hand."""

import math

import numpy as np
import pytest

from openwindow.stats import clustered_correlation, pearson, repeated_correlation, spearman
from openwindow.stats.intervals import critical


def test_pearson_of_five():
    # x 1..5, y 2 1 4 3 5: covariance sum 8, both squares 10, r = 0.8. z = 1.098612, half 1.959964 / sqrt(2) = 1.385904:
    # tanh(-0.287292) = -0.279643, tanh(2.484516) = 0.986190.
    result = pearson([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])
    assert (result.estimate, result.low, result.high) == pytest.approx((0.8, -0.279643, 0.986190), abs=1e-5)


def test_spearman_ranks_and_has_its_own_variance():
    # The same ranks; variance (1 + 0.32) / 2 = 0.66, half 1.959964 * 0.812404 = 1.592282:
    # tanh(-0.493670) = -0.457131, tanh(2.690894) = 0.990843.
    result = spearman([1, 2, 3, 4, 50], [20, 10, 40, 30, 90])
    assert (result.estimate, result.low, result.high) == pytest.approx((0.8, -0.457131, 0.990843), abs=1e-5)


def test_spearman_of_a_perfect_ranking_has_an_interval():
    # n = 4: the inner value 1 - 6 / 60 = 0.9, z = 1.472219, half 1.959964 * sqrt(1.5) = 2.400456: tanh(-0.928237).
    up = spearman([1, 2, 3, 4], [1, 2, 3, 4])
    assert (up.estimate, up.low, up.high) == pytest.approx((1.0, -0.729716, 1.0), abs=1e-4)
    down = spearman([1, 2, 3, 4], [4, 3, 2, 1])
    assert (down.estimate, down.low, down.high) == pytest.approx((-1.0, -1.0, 0.729716), abs=1e-4)


def test_pearson_of_a_perfect_line_has_none():
    line = pearson([1, 2, 3, 4], [2, 4, 6, 8])
    assert (line.estimate, line.low, line.high) == (1.0, None, None)
    assert line.reason == "a perfect correlation has no Fisher's z"


@pytest.mark.parametrize("correlate", [pearson, spearman])
def test_undefined_is_none_with_a_reason(correlate):
    few = correlate([1, 2, 3, None], [1, 3, 2, 4])
    assert (few.estimate, few.n, few.reason) == (None, 3, "3 pairs; at least 4 are needed")
    assert correlate([], []).n == 0
    flat = correlate([1, 1, 1, 1], [1, 3, 2, 4])
    assert (flat.estimate, flat.low, flat.reason) == (None, None, "one side does not vary")
    with pytest.raises(ValueError, match="1 values against 2; expected pairs"):
        correlate([1], [1, 2])
    with pytest.raises(ValueError, match="not finite; expected numbers; use None"):
        correlate([1, float("inf")], [1, 2])


def test_correlations_of_repeats_are_averaged_on_the_scale_of_z():
    found = repeated_correlation([0.5, 0.7, None, 0.9], "seed")
    z = [math.atanh(r) for r in (0.5, 0.7, 0.9)]
    mean, error = sum(z) / 3, float(np.std(z, ddof=1)) / math.sqrt(3)
    assert found.n == 3 and found.estimate == pytest.approx(math.tanh(mean))
    assert found.high == pytest.approx(math.tanh(mean + critical(0.95, 2) * error))
    assert repeated_correlation([1.0, 0.9], "seed").estimate < 1.0, "a perfect one does not make the mean infinite"


def test_repeats_without_spread_or_without_a_correlation_say_so():
    one = repeated_correlation([0.5, None], "seed")
    assert one.estimate == pytest.approx(0.5) and one.low is None and one.reason == "1 seed has no spread"
    none = repeated_correlation([None, None], "seed")
    assert none.estimate is None and none.reason == "no seed has a correlation" and none.n == 0


@pytest.mark.slow
def test_points_of_one_cluster_do_not_count_as_independent():
    """Arms without a correlation, whose seeds are all alike: nine points per arm are not nine pairs."""
    rng, wrong, wrong_points, runs = np.random.default_rng(3), 0, 0, 150
    for _ in range(runs):
        arms = rng.normal(size=(6, 2))
        points = np.repeat(arms, 9, axis=0) + 0.1 * rng.normal(size=(54, 2))
        x, y = points[:, 0].tolist(), points[:, 1].tolist()
        c = clustered_correlation(x, y, [f"a{i // 9}" for i in range(54)], rng, "arm")
        p = pearson(x, y)
        assert c.estimate == p.estimate and c.n == 6
        wrong += not c.low <= 0.0 <= c.high
        wrong_points += not p.low <= 0.0 <= p.high
    assert wrong <= 0.1 * runs and wrong_points > 0.4 * runs


def test_few_clusters_have_a_correlation_and_no_interval():
    rng = np.random.default_rng(0)
    found = clustered_correlation([1, 2, 3, 4], [1, 3, 2, 5], ["a", "a", "b", "c"], rng, "arm")
    assert found.estimate == pytest.approx(pearson([1, 2, 3, 4], [1, 3, 2, 5]).estimate)
    assert (found.low, found.n, found.reason) == (None, 3, "3 arms; at least 4 are needed for an interval")
    assert clustered_correlation([1, 2, None], [1, 2, 3], ["a", "b", "c"], rng, "arm").reason == "2 pairs; at least 4 are needed"
