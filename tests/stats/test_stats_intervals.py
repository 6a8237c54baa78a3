"""Intervals of one arm against numbers worked by hand."""

import numpy as np
import pytest

from openwindow.stats import arm_rate, t_interval, wilson
from openwindow.stats.cells import effective_size, spread_of, tabulate
from openwindow.stats.intervals import cluster_means, crossed_freedom, percentile_ends, score_ends


def ends(interval):
    return (interval.low, interval.high)


def units(*values):
    return {f"p{i:03d}": value for i, value in enumerate(values)}


def test_wilson_8_of_10():
    # z = 1.959964, z^2 = 3.841459. Middle (0.8 + 0.192073) / 1.384146 = 0.716739.
    # Half 1.959964 / 1.384146 * sqrt(0.8 * 0.2 / 10 + 3.841459 / 400) = 1.416010 * 0.160012 = 0.226578.
    assert ends(wilson(8, 10)) == pytest.approx((0.490162, 0.943318), abs=2e-6)


def test_wilson_of_none_and_of_all_has_a_width():
    # Middle and half are both z^2 / (2 (n + z^2)), so the far end is 3.841459 / 13.841459 = 0.277533.
    assert ends(wilson(0, 10)) == pytest.approx((0.0, 0.277533), abs=1e-6)
    assert ends(wilson(10, 10)) == pytest.approx((0.722467, 1.0), abs=1e-6)


def test_wilson_is_none_without_trials_and_refuses_impossible_counts():
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="11 successes of 10; expected 0 <= successes <= n"):
        wilson(11, 10)
    with pytest.raises(ValueError, match=r"confidence is 95; expected a number between 0 and 1, as 0\.95"):
        wilson(1, 10, confidence=95)


def test_t_interval_of_four():
    # Mean 2.5, sd sqrt(5 / 3) = 1.290994, standard error 0.645497, t(0.975, 3) = 3.182446: half 2.054260.
    assert ends(t_interval([1, 2, 3, 4])) == pytest.approx((0.445740, 4.554260), abs=2e-6)


@pytest.mark.parametrize("values", [[], [0.3], [0.3, 0.3, 0.3]])
def test_t_interval_is_none_without_a_spread(values):
    assert t_interval(values) is None


def resampled(values, clusters, confidence=0.95, weights=None):
    weights = np.ones(len(values)) if weights is None else np.array(weights, dtype=float)
    means = cluster_means(np.array(values, dtype=float), weights, clusters, np.random.default_rng(0), 2000)
    return percentile_ends(means, confidence)


def test_resamples_take_whole_clusters():
    # Two clusters, sums 2 of 2 and 0 of 2: a resample has mean 0, 0.5 or 1 with chances 1/4, 1/2, 1/4.
    assert ends(resampled([1, 1, 0, 0], [0, 0, 1, 1])) == (0.0, 1.0)
    assert resampled([1, 1, 0, 0], [0, 0, 1, 1], 0.4) is None  # the middle 40 % of resamples are all 0.5
    assert resampled([1, 1], [0, 1]) is None


def test_resamples_are_weighted():
    # Weights 3 and 1: means 1, 0.75 and 0 with chances 1/4, 1/2, 1/4.
    assert resampled([1, 0], [0, 1], 0.3, weights=[3, 1]) is None
    assert ends(resampled([1, 0], [0, 1], weights=[3, 1])) == (0.0, 1.0)


def test_spread_of_two_seeds_by_two_units():
    # Scores [[1, 0], [1, 1]], weights 1/4, seed means 0.5 and 1. seed: variance 0.125 / 2 = 0.0625.
    # Within seeds [[.5, -.5], [0, 0]]: unit sums 0.125 and -0.125, so unit = 2/1 * 2 * 0.015625 = 0.0625.
    # Unit means of these .25 and -.25 leave residuals of .25 in size: cell = 4 * 0.0625 / 1 / 4 = 0.0625.
    # independent = 4/3 * 2 * 0.125^2 = 0.0416667: design effect 1.5, effective size 4 / 1.5.
    cells = tabulate([units(1, 0), units(1, 1)])
    spread = spread_of(cells)
    assert (spread.seed, spread.unit, spread.cell) == pytest.approx((0.0625, 0.0625, 0.0625))
    assert spread.independent == pytest.approx(1 / 24)
    assert effective_size(cells, spread) == pytest.approx(8 / 3)
    # Nothing of unit is left after cell: variance 0.0625 with the one degree of freedom of two seeds.
    assert crossed_freedom(cells, spread) == pytest.approx((0.0625, 1.0))


def test_units_that_never_recur_have_all_their_spread_in_the_cell():
    spread = spread_of(tabulate([{"a": 1, "b": 0}, {"c": 1, "d": 0}]))
    assert spread.cell == spread.unit > 0


def test_one_seed_is_wilson_and_says_what_it_leaves_out():
    estimate = arm_rate([units(*[True] * 8, *[False] * 2, None)])
    assert (estimate.low, estimate.high) == pytest.approx((0.490162, 0.943318), abs=2e-6)
    assert (estimate.n, estimate.unscored, estimate.by_seed, estimate.reason) == (10, 1, (0.8,), None)
    assert estimate.method == "95%: Wilson over 10 problems; one seed, so seed-to-seed variation is not measured"


def test_three_seeds_take_the_wider_end():
    # Seed means 0.1, 0.5, 0.9 of ten: t gives 0.5 +- 4.302653 * 0.4 / sqrt(3) = 0.5 +- 0.99365, clipped.
    seeds = [units(*[1] * k, *[0] * (10 - k)) for k in (1, 5, 9)]
    estimate = arm_rate(seeds, unit="prompt")
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    assert "t and its score form over 3 seeds, Wilson over 10 prompts" in estimate.method


def test_no_hit_in_three_seeds_is_not_certainty():
    # Unit level: Wilson with n = 40 problems and t(0.975, 39) = 2.022691: 4.091279 / 44.091279 = 0.092791.
    # Seed level, score form: n = 120 and t(0.975, 2) = 4.302653: 18.512821 / 138.512821 = 0.133654, the wider.
    estimate = arm_rate([units(*[False] * 40)] * 3)
    assert estimate.estimate == estimate.low == 0.0
    assert estimate.high == pytest.approx(0.133654, abs=1e-6)
    assert score_ends(0.0, 40, 2.022691).high == pytest.approx(0.092791, abs=1e-6)


def test_a_seed_without_scores_is_none_and_counts_for_nothing():
    with_gap = arm_rate([units(1, 0, 1), units(None, None, None), {}])
    alone = arm_rate([units(1, 0, 1)])
    assert with_gap.by_seed == (pytest.approx(2 / 3), None, None)
    assert (with_gap.n, with_gap.unscored) == (3, 3)
    assert (with_gap.low, with_gap.high) == (alone.low, alone.high)


def test_nothing_scored_is_none_with_a_reason():
    empty = arm_rate([units(None, None)])
    assert (empty.estimate, empty.low, empty.high, empty.n, empty.unscored) == (None, None, None, 0, 2)
    assert (empty.reason, empty.by_seed) == ("no scored problem", (None,))
    assert arm_rate([]).reason == "no problem was asked for"


def test_a_mean_on_any_scale():
    rng = np.random.default_rng(0)
    one = arm_rate([units(10, 20, 30, 40)], kind="mean", rng=rng)
    # The floor: 25 +- 3.182446 * 12.909944 / 2 = 25 +- 20.542600, wider than any bootstrap end (10 and 40).
    assert (one.estimate, one.low, one.high) == pytest.approx((25, 4.457400, 45.542600), abs=2e-5)
    three = arm_rate([units(10, 20, 30, 40), units(12, 18, 33, 41), units(9, 22, 29, 40)], kind="mean", rng=rng)
    assert "t over 3 seeds, cluster bootstrap with a t floor over 4 problems" in three.method


def test_a_mean_without_spread_has_no_interval():
    rng = np.random.default_rng(0)
    equal = arm_rate([units(5, 5), units(5, 5)], kind="mean", rng=rng)
    assert (equal.estimate, equal.low, equal.high) == (5, None, None)
    assert equal.reason == "all scores are equal, so their spread is not known"
    assert arm_rate([units(5)], kind="mean", rng=rng).reason == "one score has no spread to judge by"
    assert arm_rate([units(5), units(7)], kind="mean", rng=rng).low is not None  # t over seeds alone


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="without rng; expected a numpy Generator"):
        arm_rate([units(1.0)], kind="mean")
    with pytest.raises(ValueError, match="a score of 7 for a rate; expected 0 to 1; pass kind='mean'"):
        arm_rate([units(7)])
    with pytest.raises(ValueError, match="score of 'p000' is nan; expected a finite number; use None"):
        arm_rate([units(float("nan"))])
