"""Paired comparisons, Holm and the verdict against numbers worked by hand."""

import numpy as np
import pytest

from openwindow.stats import (
    Comparison,
    Expected,
    holm,
    may_differ,
    p_beyond,
    paired_difference,
    sign_flip_p,
    verdict_of,
)
from openwindow.stats.compare import newcombe_ends
from openwindow.stats.intervals import critical


def rng():
    return np.random.default_rng(0)


def table(both, only_a, only_b, neither):
    """Two arms of one seed with these counts of pairs."""
    pairs = [(1, 1)] * both + [(1, 0)] * only_a + [(0, 1)] * only_b + [(0, 0)] * neither
    return [{f"p{i:03d}": pair[side] for i, pair in enumerate(pairs)} for side in (0, 1)]


def ends(interval):
    return (interval.low, interval.high)


def test_newcombe_20_12_2_16():
    # n = 50, rates 0.64 and 0.44. Wilson: 0.501427 to 0.758573 around 0.64, 0.311552 to 0.576940 around 0.44.
    # phi = (20 * 16 - 12 * 2 - 25) / sqrt(32 * 18 * 22 * 28) = 271 / 595.664 = 0.454954.
    # Below: sqrt(.138613^2 + .136986^2 - 2 * .454954 * .138613 * .136986) = 0.1438, so 0.2 - 0.1438 = 0.0562.
    # Above: sqrt(.118565^2 + .128410^2 - 2 * .454954 * .118565 * .128410) = 0.1292, so 0.2 + 0.1292 = 0.3292.
    assert ends(newcombe_ends(20, 12, 2, 16, critical(0.95))) == pytest.approx((0.0562, 0.3292), abs=1e-4)


def test_newcombe_has_a_floor_where_all_pairs_agree():
    # phi = (25 * 25 - 25) / 625 = 0.96 would leave 1.96 / 50 or so on each side; the floor is
    # Wilson's upper limit of 0 in 50: 3.841459 / 53.841459 = 0.071347.
    assert ends(newcombe_ends(25, 0, 0, 25, critical(0.95))) == pytest.approx((-0.071347, 0.071347), abs=1e-6)


def test_newcombe_at_the_edges():
    # All pairs discordant one way: rates 1 and 0, phi 0. Wilson 10 of 10 from 0.722467 and 0 of 10 to 0.277533:
    # below sqrt(2) * 0.277533 = 0.392491, above 0 by Newcombe and cut at 1.
    assert ends(newcombe_ends(0, 10, 0, 0, critical(0.95))) == pytest.approx((0.607509, 1.0), abs=1e-6)


def test_mcnemar_12_against_2():
    # 2 * (1 + 14 + 91) / 2^14 = 212 / 16384.
    rng = np.random.default_rng(0)
    assert sign_flip_p([1] * 12 + [-1] * 2, rng) == pytest.approx(212 / 16384)
    assert sign_flip_p([1] * 5 + [-1] * 5, rng) == 1.0
    assert sign_flip_p([], rng) == 1.0
    assert sign_flip_p([1] * 6, rng) == pytest.approx(2 / 64)


def test_sign_flips_of_clusters():
    # 3, 2, -1 has total 4; the eight patterns have totals 6, 4, 2, 0, 0, -2, -4, -6: four reach as far.
    assert sign_flip_p([3, 2, -1], rng()) == pytest.approx(0.5)
    assert sign_flip_p([3, 2, 1, 0], rng()) == pytest.approx(0.25)
    # The same at half size is not whole numbers, so patterns are drawn: 4 of 8 again, up to chance.
    assert sign_flip_p([1.5, 1.0, -0.5], rng()) == pytest.approx(0.5, abs=0.05)
    assert sign_flip_p([0.1] * 40, rng(), draws=999) == 1 / 1000


def test_one_seed_is_newcombe_and_mcnemar():
    a, b = table(20, 12, 2, 16)
    result = paired_difference([a], [b], rng=rng())
    assert (result.low, result.high) == pytest.approx((0.0562, 0.3292), abs=1e-4)
    assert (result.difference, result.n_pairs, result.by_seed) == (pytest.approx(0.2), 50, (pytest.approx(0.2),))
    assert result.p == pytest.approx(212 / 16384)
    assert "one seed, so seed-to-seed variation is not measured" in result.method


def test_seeds_decide_when_they_differ():
    # Seed differences 0.2, 0.4, 0.6: 0.4 +- 4.302653 * 0.2 / sqrt(3) = 0.4 +- 0.496828; t = 3.4641, p = 0.0742.
    seeds = [table(0, k, 0, 100 - k) for k in (20, 40, 60)]
    result = paired_difference([s[0] for s in seeds], [s[1] for s in seeds], rng=rng())
    assert (result.low, result.high) == pytest.approx((-0.096828, 0.896828), abs=2e-6)
    assert result.p == pytest.approx(0.074180, abs=1e-5)


def test_zero_stays_in_while_the_permutation_test_does_not_reject():
    # Five problems of five change: sign flips give 2 / 2^5 = 0.0625.
    a, b = table(0, 5, 0, 0)
    result = paired_difference([a], [b], rng=rng())
    assert result.p == pytest.approx(0.0625)
    assert result.low == 0.0


def test_signs_of_few_units_with_several_cells_each_are_not_flipped():
    # Five units could never reach 0.05 however many cells each has; ten can, and are flipped: 2 / 2^10.
    seeds = [table(0, 5, 0, 0)] * 6
    few = paired_difference([s[0] for s in seeds], [s[1] for s in seeds], rng=rng())
    assert few.p < 0.05 and few.low > 0 and "sign flips" not in few.method
    seeds = [table(0, 10, 0, 0)] * 10
    many = paired_difference([s[0] for s in seeds], [s[1] for s in seeds], rng=rng())
    assert many.p >= 2 / 2**10 and "sign flips by problem" in many.method


def test_s1_seeds_that_are_equal_by_chance_are_no_certainty():
    # Two seeds, 3 of 32 against 28 of 32 at both: the pairs alone would give p of about 1e-13.
    seeds = [table(0, 0, 25, 7)] * 2
    for seed in seeds:
        for i in range(3):
            seed[0][f"p{25 + i:03d}"] = seed[1][f"p{25 + i:03d}"] = 1
    result = paired_difference([s[0] for s in seeds], [s[1] for s in seeds], rng=rng())
    assert result.by_seed == pytest.approx((-25 / 32, -25 / 32))
    assert result.p > 0.05 and result.low == -1.0 and result.high > 0
    # t with one degree of freedom: 12.706^2 = 161.4 against 64 pairs is a floor of 161.4 / 225.4 = 0.716.
    alike = [table(24, 0, 0, 0)] * 2
    result = paired_difference([s[0] for s in alike], [s[1] for s in alike], rng=rng())
    assert (result.low, result.high) == pytest.approx((-161.45 / 209.45, 161.45 / 209.45), abs=1e-3)


def test_s1_two_arms_at_the_ceiling_differ_by_no_less_than_each_may():
    # 24 of 24 at each of 3 seeds, in both arms: 4.3027^2 = 18.513, 18.513 / (72 + 18.513) = 0.2045, as for each rate.
    seeds = [table(24, 0, 0, 0)] * 3
    result = paired_difference([s[0] for s in seeds], [s[1] for s in seeds], rng=rng())
    assert (result.low, result.high) == pytest.approx((-0.2045, 0.2045), abs=1e-4)
    assert result.at_end == ("ceiling", "ceiling") and result.p == 1.0
    # One pair fewer at one seed: seeds' differences now vary a little, which says no more of how seeds vary.
    nearly = [table(24, 0, 0, 0), table(24, 0, 0, 0), table(23, 1, 0, 0)]
    result = paired_difference([s[0] for s in nearly], [s[1] for s in nearly], rng=rng())
    assert result.low < -0.15 and result.high > 0.2


def test_s1_only_arms_near_an_end_are_at_an_end():
    a, b = table(0, 0, 0, 20)
    middle = table(8, 2, 2, 8)
    assert paired_difference([a] * 3, [b] * 3, rng=rng()).at_end == ("floor", "floor")
    assert paired_difference([middle[0]] * 3, [middle[1]] * 3, rng=rng()).at_end == (None, None)
    assert paired_difference([{"x": 5.0, "y": 6.0}], [{"x": 5.0, "y": 5.5}], rng=rng(), kind="mean").at_end == (None, None)


def test_s2_problems_of_one_family_are_one_unit():
    # Eight families of four problems, all of a family alike: 32 pairs are worth 8.
    a = {f"f{f}/{i}": f < 4 for f in range(8) for i in range(4)}
    b = dict.fromkeys(a, False)
    by_family = {item: item.split("/")[0] for item in a}
    alone = paired_difference([a], [b], rng=rng())
    together = paired_difference([a], [b], rng=rng(), clusters=by_family, unit="family")
    assert alone.difference == together.difference == 0.5 and alone.n_pairs == together.n_pairs == 32
    assert alone.low > 0.25 and together.low < 0.05
    assert "8 families" in together.method and "32 problems" in alone.method


def test_only_what_both_arms_have_is_paired():
    a = [{"x": 1, "y": 1, "z": None, "only_a": 1}, {"x": 1}, {}]
    b = [{"x": 0, "y": None, "z": 1, "only_b": 1}, {"x": None}, {"x": 1}]
    result = paired_difference(a, b, rng=rng())
    assert (result.n_pairs, result.by_seed, result.difference) == (1, (1.0, None, None), 1.0)


def test_without_a_pair_it_is_none():
    result = paired_difference([{"x": None}], [{"x": 1}], rng=rng(), unit="prompt")
    assert result == Comparison(None, None, None, None, 0, (None,), "no prompt with a score in both arms", "none")
    with pytest.raises(ValueError, match="2 seeds against 1; expected the same seeds in the same order"):
        paired_difference([{}, {}], [{}], rng=rng())


def test_a_mean_is_paired_too():
    a = [{f"p{i}": 10.0 * i + 3 + (i % 2) for i in range(20)} for _ in range(2)]
    b = [{f"p{i}": 10.0 * i for i in range(20)} for _ in range(2)]
    one = paired_difference(a[:1], b[:1], rng=rng(), kind="mean")
    # Differences 3 and 4 by turns: mean 3.5, sd 0.512989, half 2.093024 * 0.512989 / sqrt(20) = 0.240088.
    # The bootstrap's ends, in steps of 1 / 20, are a little further out; the wider end counts.
    assert 3.2 <= one.low <= 3.259913
    assert 3.740087 <= one.high <= 3.8
    assert 0 < one.p < 0.01
    # The floor's variance is not lessened by a second equal seed: a problem under two seeds is one cluster.
    two = paired_difference(a, b, rng=rng(), kind="mean")
    assert two.low <= one.low + 1e-9


def test_a_mean_without_spread_has_no_interval():
    a, b = [{"x": 3.0, "y": 4.0}], [{"x": 1.0, "y": 2.0}]
    equal = paired_difference(a, b, rng=rng(), kind="mean")
    assert (equal.difference, equal.low, equal.p) == (2.0, None, None)
    assert equal.reason == "all scores are equal, so their spread is not known"


def test_rates_with_fractions_draw_their_sign_patterns():
    a = [{f"p{i}": 0.75 for i in range(30)}]
    b = [{f"p{i}": 0.25 for i in range(30)}]
    result = paired_difference(a, b, rng=rng())
    assert result.low > 0
    assert result.p == pytest.approx(1 / 2001, rel=1)
    with pytest.raises(ValueError, match="a score of 3 for a rate"):
        paired_difference([{"x": 3}], [{"x": 0}], rng=rng())


def test_arms_that_are_certain_and_far_apart():
    a, b = table(0, 4000, 0, 0)
    result = paired_difference([a], [b], rng=rng())
    assert (result.difference, result.high) == (1.0, 1.0)
    assert 0.0 <= result.p < 1e-200


def test_holm_by_hand():
    # Sorted .005 .01 .03 .04: times 4, 3, 2, 1 = .02 .03 .06 .04, the last raised to .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.6]) == [1.0, None, 1.0]
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"a p value of 1\.5; expected 0 to 1"):
        holm([1.5])


def compared(low, high, seeds=3, at_end=(None, None)):
    return Comparison(0.0, low, high, None, 1, (0.0,) * seeds, None, "", at_end)


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(0.1, 0.3, 1)], "supported"),
        ([(-0.3, -0.1, -1)], "supported"),
        ([(0.1, 0.3, 1), (-0.3, -0.1, -1)], "supported"),
        ([(0.1, 0.3, 1), (-0.1, 0.2, 1)], "inconclusive"),
        ([(0.1, 0.3, 1), (-0.1, 0.04, 1)], "not supported"),
        ([(0.1, 0.3, -1)], "not supported"),
        ([(-0.04, 0.1, -1)], "not supported"),
        ([(0.0, 0.3, 1)], "inconclusive"),
        ([(0.1, 0.3, 1), (None, None, 1)], "inconclusive"),
        ([(None, None, 1), (-0.2, 0.0, 1)], "not supported"),
        ([], "inconclusive"),
    ],
)
def test_verdict(intervals, verdict):
    expected = [Expected(compared(low, high), sign) for low, high, sign in intervals]
    assert verdict_of(expected, smallest_effect=0.05) == verdict


def test_verdict_refuses_a_signed_smallest_effect():
    with pytest.raises(ValueError, match=r"smallest effect -0\.05; expected 0 or more"):
        verdict_of([], smallest_effect=-0.05)


@pytest.mark.parametrize("seeds", [1, 2])
def test_s1_no_verdict_from_fewer_than_three_seeds(seeds):
    assert verdict_of([Expected(compared(0.1, 0.3, seeds), 1)], 0.05) == "inconclusive"
    assert verdict_of([Expected(compared(-0.3, -0.1, seeds), 1)], 0.05) == "inconclusive"


@pytest.mark.parametrize(
    ("at_end", "sign", "verdict"),
    [
        (("ceiling", "ceiling"), 1, "inconclusive"),  # seeds of b that fall would favour a
        (("ceiling", "ceiling"), -1, "inconclusive"),
        (("floor", "floor"), 1, "inconclusive"),
        ((None, "floor"), 1, "not supported"),  # seeds of b that rise would speak against the claim even more
        (("ceiling", None), 1, "not supported"),
        ((None, None), 1, "not supported"),
    ],
)
def test_s1_at_an_end_of_the_scale_nothing_is_refuted(at_end, sign, verdict):
    assert verdict_of([Expected(compared(-0.04, 0.04, 3, at_end), sign)], 0.1) == verdict


def test_s1_opposite_ends_refute_a_claim_all_the_same():
    # a at the ceiling and b at the floor, where a was to do it less: both would have to tip, at most 2 (1 - 0.05^(1/6)) = 0.786.
    assert may_differ(3) == pytest.approx(1 - 0.05 ** (1 / 3)) == pytest.approx(0.632, abs=1e-3)
    assert may_differ(3, arms=2) == pytest.approx(0.786, abs=1e-3)
    found = compared(0.85, 1.0, 3, ("ceiling", "floor"))
    assert verdict_of([Expected(found, -1)], 0.1) == "not supported"


def test_s10_a_margin_moves_what_is_claimed():
    assert verdict_of([Expected(compared(-0.08, 0.1), 1, 0.1)], 0.1) == "supported"
    assert verdict_of([Expected(compared(-0.3, -0.12), 1, 0.1)], 0.1) == "not supported"
    # No gain of the smallest effect is asked for: an interval below 0 and inside the margin is no refutation.
    assert verdict_of([Expected(compared(-0.09, -0.01), 1, 0.1)], 0.1) == "supported"
    assert verdict_of([Expected(compared(-0.2, -0.05), 1, 0.1)], 0.1) == "inconclusive"


def test_p_of_a_margin_agrees_with_the_interval():
    a, b = table(20, 3, 6, 11)

    def at(confidence):
        return paired_difference([a] * 2 + [b], [b] * 2 + [a], rng=rng(), confidence=confidence)

    found = at(0.95)
    assert p_beyond(at, found.low - 0.001) < 0.05 < p_beyond(at, found.low + 0.001)
    assert p_beyond(at, found.difference) == 1.0
    assert p_beyond(lambda confidence: compared(None, None), -0.1) is None
