"""Measured coverage and error rates where problems come in families and where seeds tip; the full tables are nightly.

The band: coverage must be 93 % or more in every cell. A cell is measured by n simulated studies, so it fails only where it is
more than 2.6 standard errors of n studies below that (a chance of 0.5 % at exactly 93 %); the mean over cells must be 95 % itself.
With three seeds a rate's intervals cover up to 100 %: t with two degrees of freedom is the price of not knowing how seeds vary.
"""

import itertools

import numpy as np
import pytest
from simulated import SHARED, curves, icc, level, smooth, studies, tipping

from openwindow.stats import Noise, arm_rate, detectable_difference, power_of

LEAST = 0.93
SMOOTH = [
    (seeds, 31, sd, rates)
    for seeds, sd, rates in itertools.product(
        (3, 5, 10), (0.0, 0.7, 1.5), ((0.4, 0.4), (0.1, 0.1), (0.02, 0.5), (0.3, 0.5), (0.9, 0.1))
    )
]
TIPPING = list(itertools.product((3, 5, 10), (24, 96), ((0.95, 0.75), (1.0, 0.8), (1.0, 0.6))))
POWERED = [(3, 32, 31, 0.05, 0.0), (5, 32, 31, 0.05, 0.5), (10, 32, 31, 0.1, 0.5)]


def least(share, n):
    """The lowest measured share that does not speak against the true one."""
    return share - 2.6 * (share * (1 - share) / n) ** 0.5


def most(share, n):
    return share + 2.6 * (share * (1 - share) / n) ** 0.5


def test_s2_families_make_half_of_the_variance():
    assert icc(0.4) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "sd"), [(3, 0.7), (5, 0.0), (10, 0.0), (10, 0.7)])
def test_s2_rates_and_differences_cover_over_families(seeds, sd):
    found = smooth(seeds, 32, 31, sd, (0.4, 0.4), 150)
    assert found.rate >= least(LEAST, 150), f"a rate covers {found.rate:.3f}"
    assert found.difference >= least(LEAST, 150), f"a difference covers {found.difference:.3f}"


@pytest.mark.slow
def test_s2_problems_as_the_unit_cover_too_little():
    """The check can fail: with each problem taken for a unit of its own, ten seeds miss the truth in a third of the studies."""
    rng, problems, families = np.random.default_rng(0), 32, 31
    held = 0
    for _ in range(100):
        odds = 2.6 * rng.normal(size=families)
        hits = rng.random((10, problems)) < 1 / (1 + np.exp(-odds[np.arange(problems) % families]))
        e = arm_rate([{f"s{s}/{p}": bool(hits[s, p]) for p in range(problems)} for s in range(10)])
        held += e.low <= 0.5 <= e.high
    assert held / 100 < 0.85


@pytest.mark.slow
@pytest.mark.parametrize("problems", [24, 96])
def test_s1_tipping_seeds_are_not_called_a_refutation(problems):
    found = tipping(3, problems, (1.0, 0.8), 150)
    assert found.refuted == 0.0 and found.supported < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("units", "replies", "sd", "rate"), [(24, 4, 0.0, 0.5), (24, 4, 2.0, 0.5), (21, 3, 1.0, 0.1)])
def test_s14_several_replies_per_unit_keep_their_precision(units, replies, sd, rate):
    """Against their means, one per unit: never wider, a good third narrower where units are alike, and they still cover."""
    rng, held, widths = np.random.default_rng([units, replies]), 0, []
    for _ in range(200):
        odds = level(rate, sd) + sd * rng.normal(size=(units, 1))
        hits = rng.random((units, replies)) < 1 / (1 + np.exp(-odds))
        items = {f"{u}/{r}": bool(hits[u, r]) for u in range(units) for r in range(replies)}
        e = arm_rate([items], clusters={item: item.split("/")[0] for item in items})
        means = arm_rate([{str(u): float(hits[u].mean()) for u in range(units)}])
        held += e.low <= rate <= e.high
        widths.append((e.high - e.low, means.high - means.low))
    one, other = np.mean(widths, axis=0)
    assert held / 200 >= least(LEAST, 200)
    assert one < (0.67 if sd == 0.0 else 1.0) * other


@pytest.mark.nightly
def test_s2_coverage_of_every_cell():
    n, low = 1000, []
    cells = [(cell, smooth(cell[0], 32, cell[1], cell[2], cell[3], n)) for cell in SMOOTH]
    for cell, found in cells:
        low += [f"{cell}: {what} {share:.3f}" for what, share in vars_of(found).items() if share < least(LEAST, n)]
    assert not low
    for what in ("rate", "difference"):
        assert np.mean([vars_of(found)[what] for _, found in cells]) >= 0.95


def vars_of(found):
    return {"rate": found.rate, "difference": found.difference}


@pytest.mark.nightly
def test_s2_false_positives_of_every_null():
    n = 1000
    for seeds, families, sd, rates in SMOOTH:
        if rates[0] == rates[1]:
            found = smooth(seeds, 32, families, sd, rates, n)
            assert found.rejected <= most(0.07, n), (seeds, sd, rates, found)
            assert found.supported <= most(0.035, n), (seeds, sd, rates, found)


@pytest.mark.nightly
def test_s1_false_refutations_of_seeds_that_tip():
    """A true effect of 18 or 36 points where 10 are asked for: not called *not supported* in more than 5 %.

    The intervals' own coverage is not held here: where all seeds of both arms end alike, 96 problems a seed tell of these
    seeds only, which is what the words at the ceiling are for.
    """
    for seeds, problems, shares in TIPPING:
        found = tipping(seeds, problems, shares, 1000)
        assert found.refuted <= most(0.05, 1000), (seeds, problems, shares, found)


@pytest.mark.nightly
@pytest.mark.parametrize(("seeds", "problems", "families", "sd", "share"), POWERED)
def test_s22_the_planned_power_is_that_of_the_test(seeds, problems, families, sd, share):
    assert 0.65 <= planned(seeds, problems, families, sd, share, 500) <= 0.95


@pytest.mark.slow
def test_s22_the_planned_power_is_that_of_the_test_in_one_cell():
    assert 0.65 <= planned(5, 32, 31, 0.05, 0.5, 100) <= 0.95


def planned(seeds, problems, families, sd, share, n):
    """The measured power at the difference that is planned to have 80 %."""
    noise = Noise(problems, 0.5, sd, families, share)
    gap = detectable_difference(seeds, noise).difference
    assert power_of(gap, seeds, noise) == pytest.approx(0.8)
    rng = np.random.default_rng([seeds, problems, families])
    rates = (0.5 + gap / 2, 0.5 - gap / 2)

    def draw():
        of = np.array([rng.permutation(np.arange(problems) % families) for _ in range(seeds)])
        common, alike, arms = rng.random(families), rng.random(families) < SHARED, []
        for rate in rates:
            # A family decides an outcome with the chance sqrt(share), so two of its outcomes with `share`: the ICC.
            own = np.where(alike, common, rng.random(families))
            seed_rate = np.clip(rng.normal(rate, sd, size=(seeds, 1)), 0, 1)
            decided = own[of] < seed_rate
            arms.append(np.where(rng.random((seeds, problems)) < share**0.5, decided, rng.random((seeds, problems)) < seed_rate))
        return *arms, of

    return studies(draw, rates, n).supported


@pytest.mark.nightly
def test_areas_under_curves_cover_over_families():
    """Arms that rise together, one later than the other, both at once, and both so late that they barely leave the floor."""
    middles = ((2, 2), (4, 2), (0.5, 0.5), (9, 9))
    found = {
        (seeds, sd, of): curves(seeds, 24, 20, sd, of, 300) for seeds in (3, 5, 10) for sd in (0.0, 1.0, 2.0) for of in middles
    }
    for name in ("rate", "difference"):
        shares = {cell: getattr(one, name) for cell, one in found.items()}
        low = {cell: share for cell, share in shares.items() if share < least(LEAST, 300)}
        assert low == {} and np.mean(list(shares.values())) >= 0.95
    same = [one.rejected for (_, _, of), one in found.items() if of[0] == of[1]]
    assert max(same) <= most(0.07, 300) and np.mean(same) <= 0.05
    assert found[3, 0.0, (4, 2)].rejected >= 0.8, "areas taken for coins, as rates are, are told apart in 36 %"
