"""Correlations of a ranking with what came after, against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from openwindow.stats.rankings import Ranking, _correlations, mean_correlation, ranking_correlation, resampled


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def one_seed(values: list[float | None]) -> list[list[float | None]]:
    return [[v] for v in values]


def test_pearson_by_hand() -> None:
    """x 1 2 3 4 5 against y 2 1 4 3 5: covariance sum 8, both sums of squares 10."""
    found = ranking_correlation(Ranking([1, 2, 3, 4, 5], one_seed([2, 1, 4, 3, 5])), "pearson", rng())
    assert found.estimate == pytest.approx(0.8) and found.n == 5 and found.reason is None
    fisher = math.tanh(math.atanh(0.8) - 1.959964 / math.sqrt(2))
    assert found.low is not None and found.low <= fisher + 1e-6 and found.high is not None and found.high > 0.8


def test_spearman_with_ties_by_hand() -> None:
    """Ranks 1 2.5 2.5 4 against 1 2 3 4: sum of products of deviations 4.5, sums of squares 4.5 and 5."""
    found = ranking_correlation(Ranking([0.1, 0.5, 0.5, 0.9], one_seed([0.0, 0.2, 0.3, 5.0])), "spearman", rng())
    assert found.estimate == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_seeds_are_averaged_before_and_resampled_in_the_bootstrap() -> None:
    noisy = Ranking([1, 2, 3, 4], [[1.0, 3.0], [4.0, None], [2.0, 4.0], [None, 5.0]])
    assert noisy.means() == [2.0, 4.0, 3.0, 5.0]
    assert ranking_correlation(noisy, "pearson", rng()).estimate == pytest.approx(0.8)
    prompts = list(range(12))
    opposed = Ranking(prompts, [[float(p), -0.9 * p] for p in prompts])  # the seeds contradict each other
    draws = resampled(opposed, "pearson", rng())
    assert (draws < -0.99).mean() == pytest.approx(0.25, abs=0.05)  # both columns are the second seed
    together = Ranking(prompts, [[float(p), 0.9 * p] for p in prompts])
    assert (resampled(together, "pearson", rng()) > 0.99).all()


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_a_constant_side_has_no_correlation(kind) -> None:
    for ranking in (Ranking([0.5] * 6, one_seed([1, 2, 3, 4, 5, 6])), Ranking([1, 2, 3, 4, 5, 6], one_seed([0.0] * 6))):
        found = ranking_correlation(ranking, kind, rng())
        assert (found.estimate, found.low, found.high) == (None, None, None) and found.reason == "one side does not vary"


def test_too_few_prompts_have_no_correlation() -> None:
    found = ranking_correlation(Ranking([1, 2, None, 4], [[1.0], [2.0], [3.0], [None]]), "pearson", rng())
    assert found.estimate is None and found.n == 2 and found.reason is not None and "at least 4" in found.reason


def test_a_perfect_correlation_has_no_interval_of_width_zero() -> None:
    exact = Ranking([1, 2, 3, 4, 5], one_seed([2, 4, 6, 8, 10]))
    found = ranking_correlation(exact, "pearson", rng())
    assert found.estimate == 1.0 and found.low is None and found.high is None and found.reason
    ranks = ranking_correlation(exact, "spearman", rng())
    assert ranks.estimate == 1.0 and ranks.low is not None and ranks.low < 0.95 and ranks.high == 1.0


def test_an_almost_constant_side_has_fishers_interval_alone() -> None:
    """One prompt of six differs: every third resample lacks it, so the bootstrap is left out."""
    lonely = Ranking([0, 0, 0, 0, 0, 1], one_seed([0.0, 0.1, 0.0, 0.1, 0.05, 1.0]))
    undefined = np.isnan(resampled(lonely, "pearson", rng())).mean()
    assert undefined == pytest.approx((5 / 6) ** 6, abs=0.05)
    found = ranking_correlation(lonely, "pearson", rng())
    assert found.estimate is not None and found.low is not None and found.low < found.estimate < 1.0


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    held, truth, trials = 0, 0.6, 120
    for _ in range(trials):
        x, noise = draw.normal(size=12), draw.normal(size=12)
        y = truth * x + math.sqrt(1 - truth**2) * noise
        found = ranking_correlation(Ranking(x.tolist(), one_seed(y.tolist())), "pearson", draw)
        held += found.low is not None and found.high is not None and found.low <= truth <= found.high
    assert held / trials >= 0.9


def test_the_mean_over_lists_by_hand() -> None:
    first = Ranking([1, 2, 3, 4, 5], one_seed([2, 1, 4, 3, 5]))  # 0.8
    second = Ranking([1, 2, 3, 4, 5], one_seed([5, 3, 4, 1, 2]))  # -0.8
    found = mean_correlation([first, second], "pearson", rng())
    assert found.estimate == pytest.approx(0.0) and found.n == 2
    half = 1.959964 * math.sqrt(2 * (1 - 0.64) ** 2 / 2) / 2
    assert found.low is not None and found.low <= -half + 1e-6 and found.high is not None and found.high >= half - 1e-6


def test_the_mean_needs_every_list() -> None:
    flat = Ranking([1.0] * 5, one_seed([2, 1, 4, 3, 5]))
    found = mean_correlation([Ranking([1, 2, 3, 4, 5], one_seed([2, 1, 4, 3, 5])), flat], "pearson", rng())
    assert found.estimate is None and found.reason == "1 of 2 lists have a correlation: one side does not vary"
    assert mean_correlation([], "spearman", rng()).estimate is None


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_resampled_correlations_leave_out_what_is_not_known(kind) -> None:
    draw = np.random.default_rng(5)
    x, y = draw.integers(0, 4, size=(40, 9)).astype(float), draw.normal(size=(40, 9))
    known = draw.random((40, 9)) > 0.3
    found = _correlations(x, y, known, kind)
    compare = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}[kind]
    for row, value in enumerate(found):
        a, b = x[row][known[row]], y[row][known[row]]
        if len(a) < 3 or np.ptp(a) == 0:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(compare(a, b).statistic)


def copies(
    generator: np.random.Generator, kinds: int, each: int, true: float
) -> tuple[list[float], list[list[float | None]], list[str]]:
    """Prompts of several kinds, those of a kind near copies: nine tenths of both sides are the kind's."""
    first = generator.normal(size=kinds)
    second = true * first + math.sqrt(1 - true**2) * generator.normal(size=kinds)
    near = [
        math.sqrt(0.9) * np.repeat(side, each) + math.sqrt(0.1) * generator.normal(size=kinds * each) for side in (first, second)
    ]
    return near[0].tolist(), one_seed(near[1].tolist()), [f"kind {i // each}" for i in range(kinds * each)]


def test_s19_near_copies_are_one_kind() -> None:
    """Five kinds of three near copies without a correlation: 73 % are covered if each prompt counts as one, 90 % by kinds."""
    generator, held = np.random.default_rng(5), {"prompts": 0, "kinds": 0}
    for _ in range(120):
        scores, measured, kinds = copies(generator, 5, 3, 0.0)
        for unit, ranking in (("prompts", Ranking(scores, measured)), ("kinds", Ranking(scores, measured, kinds=kinds))):
            found = ranking_correlation(ranking, "pearson", generator)
            assert found.low is not None and found.high is not None
            held[unit] += found.low <= 0.0 <= found.high
    assert held["prompts"] / 120 < 0.83 and held["kinds"] / 120 >= 0.84


def test_s19_a_kind_is_drawn_with_all_its_prompts() -> None:
    """Of two kinds of three prompts one is drawn twice in half of the resamples: x is then 0 1 2, twice, or 7 8 9, twice."""
    ranking = Ranking([0, 1, 2, 7, 8, 9], one_seed([0, 2, 1, 7, 9, 8]), kinds=["a"] * 3 + ["b"] * 3)
    drawn = resampled(ranking, "pearson", rng())
    both = ranking_correlation(ranking, "pearson", rng()).estimate
    assert set(np.round(drawn, 9)) == {0.5, round(both or 0.0, 9)}
    assert np.mean(np.isclose(drawn, 0.5)) == pytest.approx(0.5, abs=0.05)


def test_s19_unknown_prompts_and_uneven_kinds() -> None:
    ranking = Ranking([0, 1, None, 7, 8, 9, 4], one_seed([0, 2, 1, 7, None, 8, 3]), kinds=["a", "a", "a", "b", "b", "b", "c"])
    found = ranking_correlation(ranking, "spearman", rng())
    assert found.n == 5 and found.low is not None and "kinds of prompts" in found.method
