"""What must hold for any scores: order, bounds, symmetry, and no effect of the order in which scores are written."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwindow.stats import arm_rate, holm, paired_difference, wilson
from openwindow.stats.compare import newcombe_ends
from openwindow.stats.intervals import critical

FEW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])
BINARY = st.sampled_from([True, False, None])
FRACTION = st.one_of(st.none(), st.floats(0, 1, width=16))
COUNT = st.integers(0, 40)


def arms(score):
    """Scores of one to four seeds over up to eight problems."""
    return st.lists(st.dictionaries(st.sampled_from("abcdefgh"), score, max_size=8), min_size=1, max_size=4)


def two_arms(score):
    """The same for two arms with equally many seeds."""
    return st.integers(1, 4).flatmap(
        lambda seeds: st.tuples(
            *[st.lists(st.dictionaries(st.sampled_from("abcdefgh"), score), min_size=seeds, max_size=seeds)] * 2
        )
    )


def rng():
    return np.random.default_rng(3)


def close(a, b):
    return (a is None and b is None) or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6))


@FEW
@given(st.one_of(arms(BINARY), arms(FRACTION)))
def test_a_rate_has_an_ordered_interval_that_holds_it(scores):
    result = arm_rate(scores)
    assert result.n + result.unscored == sum(len(of_seed) for of_seed in scores)
    assert len(result.by_seed) == len(scores)
    if result.n == 0:
        assert result.estimate is result.low is result.high is None
        assert result.reason
    else:
        assert 0 <= result.low <= result.estimate + 1e-12
        assert result.estimate <= result.high + 1e-12 <= 1 + 1e-12
        assert result.high - result.low > 1e-3
        assert result.reason is None


@FEW
@given(arms(st.one_of(st.none(), st.floats(-1e3, 1e3, width=32))))
def test_a_mean_has_an_interval_or_a_reason(scores):
    result = arm_rate(scores, kind="mean", rng=rng())
    assert (result.low is None) == (result.high is None) == (result.reason is not None)
    if result.low is not None:
        assert result.low < result.high
        assert result.low <= result.estimate <= result.high


@FEW
@given(arms(BINARY), LEVELS, LEVELS)
def test_a_rate_widens_with_confidence(scores, one, other):
    narrow, wide = (arm_rate(scores, confidence=level) for level in sorted((one, other)))
    if narrow.low is not None:
        assert wide.low <= narrow.low + 1e-12
        assert wide.high >= narrow.high - 1e-12


@FEW
@given(arms(BINARY))
def test_a_rate_of_no_is_one_minus_a_rate_of_yes(scores):
    yes = arm_rate(scores)
    no = arm_rate([{unit: None if v is None else not v for unit, v in of_seed.items()} for of_seed in scores])
    if yes.estimate is not None:
        assert (no.estimate, no.low, no.high) == pytest.approx((1 - yes.estimate, 1 - yes.high, 1 - yes.low))


@FEW
@given(two_arms(st.one_of(BINARY, FRACTION)), st.randoms(use_true_random=False))
def test_the_order_of_seeds_and_units_changes_nothing(both, random):
    order = list(range(len(both[0])))
    random.shuffle(order)
    mixed = []
    for arm in both:
        items = [list(arm[i].items()) for i in order]
        for of_seed in items:
            random.shuffle(of_seed)
        mixed.append([dict(of_seed) for of_seed in items])
    for kind in ("rate", "mean"):
        before, after = arm_rate(both[0], kind=kind, rng=rng()), arm_rate(mixed[0], kind=kind, rng=rng())
        assert all(close(*pair) for pair in zip((before.low, before.high), (after.low, after.high), strict=True))
        first, second = paired_difference(*both, kind=kind, rng=rng()), paired_difference(*mixed, kind=kind, rng=rng())
        assert close(first.difference, second.difference)
        assert close(first.low, second.low)
        assert close(first.high, second.high)
        assert tuple(first.by_seed[i] for i in order) == second.by_seed


@FEW
@given(two_arms(BINARY), LEVELS)
def test_a_difference_is_ordered_bounded_and_agrees_with_its_p(both, level):
    result = paired_difference(*both, rng=rng(), confidence=level)
    if result.difference is None:
        assert result.low is result.high is result.p is None
        assert result.n_pairs == 0
    else:
        assert -1 <= result.low <= result.difference <= result.high <= 1
        assert result.high - result.low > 1e-3
        assert 0 <= result.p <= 1
        assert (result.p < 1 - level) == (result.low > 0 or result.high < 0)


@FEW
@given(two_arms(BINARY), LEVELS)
def test_swapped_arms_mirror_the_difference(both, level):
    there = paired_difference(*both, rng=rng(), confidence=level)
    back = paired_difference(both[1], both[0], rng=rng(), confidence=level)
    assert close(there.p, back.p)
    assert there.n_pairs == back.n_pairs
    if there.difference is not None:
        mirrored = (-back.difference, -back.high, -back.low)
        assert (there.difference, there.low, there.high) == pytest.approx(mirrored, abs=1e-9)


@FEW
@given(two_arms(BINARY), LEVELS, LEVELS)
def test_a_difference_widens_with_confidence(both, one, other):
    narrow, wide = (paired_difference(*both, rng=rng(), confidence=level) for level in sorted((one, other)))
    if narrow.low is not None:
        assert wide.low <= narrow.low + 1e-12
        assert wide.high >= narrow.high - 1e-12


@FEW
@given(two_arms(st.floats(-9, 9, width=16)))
def test_a_difference_of_means_agrees_with_its_p(both):
    result = paired_difference(*both, kind="mean", rng=rng())
    assert (result.low is None) == (result.p is None)
    if result.low is not None:
        assert result.low <= result.difference <= result.high
        if result.p < 0.05:
            assert result.low > 0 or result.high < 0


@FEW
@given(COUNT, COUNT, COUNT, COUNT, LEVELS, LEVELS)
def test_newcombe_widens_with_confidence(both, only_a, only_b, neither, one, other):
    if both + only_a + only_b + neither:
        narrow, wide = (newcombe_ends(both, only_a, only_b, neither, critical(level)) for level in sorted((one, other)))
        assert wide.low <= narrow.low + 1e-12 <= narrow.high + 2e-12
        assert wide.high >= narrow.high - 1e-12


@FEW
@given(COUNT, COUNT)
def test_wilson_holds_the_rate(successes, failures):
    interval = wilson(successes, successes + failures)
    if interval is not None:
        assert 0 <= interval.low <= successes / (successes + failures) <= interval.high <= 1
        assert interval.low < interval.high


@FEW
@given(st.lists(st.one_of(st.none(), st.floats(0, 1))))
def test_holm_keeps_order_and_none(pvalues):
    adjusted = holm(pvalues)
    assert [p is None for p in pvalues] == [p is None for p in adjusted]
    known = sorted((p, q) for p, q in zip(pvalues, adjusted, strict=True) if p is not None)
    assert all(p <= q <= 1 for p, q in known)
    assert [q for _, q in known] == sorted(q for _, q in known)
