"""Planning: the formula by hand, its two directions against each other, and against simulated studies."""

import math

import numpy as np
import pytest

from openwindow.stats import (
    MeanNoise,
    Noise,
    detectable,
    detectable_difference,
    detectable_sum,
    paired_difference,
    power_of,
    seeds_needed,
)
from openwindow.stats.intervals import critical


def test_detectable_difference_of_many_seeds_is_the_normal_formula():
    # Variance of one seed's difference 2 * 0.1^2 + 2 * 0.25 / 100 = 0.025; over 100 seeds the error is 0.015811.
    # Normal: (1.959964 + 0.841621) * 0.015811 = 0.044297; t with 99 degrees of freedom asks for a little more.
    plan = detectable_difference(100, Noise(100, 0.5, 0.1))
    assert plan.difference == pytest.approx(0.0447, abs=2e-4)
    assert plan.difference > 0.044297


def test_the_two_directions_agree():
    for seeds in (3, 5, 10):
        plan = detectable_difference(seeds, Noise(200, 0.5, 0.02))
        assert power_of(plan.difference, seeds, Noise(200, 0.5, 0.02), 0.95) == pytest.approx(0.8)
        assert seeds_needed(plan.difference * 1.0001, Noise(200, 0.5, 0.02)).seeds == seeds
        assert seeds_needed(-plan.difference * 1.0001, Noise(200, 0.5, 0.02)).seeds == seeds


def test_more_seeds_and_less_spread_show_smaller_differences():
    by_seeds = [detectable_difference(s, Noise(100, 0.4, 0.05)).difference for s in (3, 5, 10, 20)]
    assert by_seeds == sorted(by_seeds, reverse=True)
    assert detectable_difference(5, Noise(100, 0.4, 0.0)).difference < detectable_difference(5, Noise(100, 0.4, 0.1)).difference


def test_plans_that_cannot_be_are_none_with_a_reason():
    assert detectable_difference(1, Noise(100, 0.5, 0.1)).reason == "one seed does not measure seed-to-seed variation"
    wide = detectable_difference(2, Noise(10, 0.5, 0.2))
    assert wide.difference is None
    assert "more than a rate of 0.5 leaves room for" in wide.reason
    assert seeds_needed(0.0, Noise(100, 0.5, 0.1)).reason == "no number of seeds shows a difference of 0"
    assert seeds_needed(0.001, Noise(100, 0.5, 0.1), most=10).reason == "more than 10 seeds"
    assert 0 < detectable_difference(3, Noise(100, 0.0, 0.0)).difference < 0.1


def test_wrong_plans_are_refused():
    with pytest.raises(ValueError, match=r"rate 1\.5"):
        detectable_difference(3, Noise(100, 1.5, 0.1))
    with pytest.raises(ValueError, match=r"power 0\.01; expected more than 0\.05"):
        seeds_needed(0.1, Noise(100, 0.5, 0.1), power=0.01)


@pytest.mark.slow
def test_a_planned_study_has_the_planned_power():
    seeds, problems, sd, studies = 5, 60, 0.05, 200
    difference = detectable_difference(seeds, Noise(problems, 0.5, sd)).difference
    rng, found = np.random.default_rng(1), 0
    ids = [f"p{i:03d}" for i in range(problems)]
    for _ in range(studies):
        rates = rng.normal([[0.5 + difference / 2], [0.5 - difference / 2]], sd, size=(2, seeds))
        a, b = ([dict(zip(ids, (rng.random(problems) < r).tolist(), strict=True)) for r in arm] for arm in rates)
        found += paired_difference(a, b, rng=rng).low > 0
    assert 0.7 <= found / studies <= 0.9, f"measured power {found / studies:.3f}, planned 0.8"


def test_a_sum_is_found_from_the_errors_of_its_parts():
    noise = MeanNoise(16, 0.1, 0.4)
    error, freedom = noise.error(3)
    assert error == pytest.approx(math.sqrt(0.01 / 3 + 0.16 / 16)) and 2 < freedom < 17
    one, two = detectable_sum([(error, freedom)]), detectable_sum([(error, freedom)] * 2)
    assert math.sqrt(2) * 0.8 < two / one < math.sqrt(2), "more degrees of freedom help a little"
    seeds_alone = MeanNoise(10_000, 0.1, 1e-6).error(3)
    assert detectable_sum([seeds_alone]) == pytest.approx(detectable(critical(0.95, 2) * 0.1 / math.sqrt(3), 3), rel=1e-3)
    many = MeanNoise(10_000, 0.0, 1.0)
    assert detectable_sum([many.error(100)]) == pytest.approx(0.01 * (1.96 + 0.8416), rel=1e-3)
    with pytest.raises(ValueError, match="1 seeds and 16 units"):
        noise.error(1)
