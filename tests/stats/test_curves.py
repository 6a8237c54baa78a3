"""What a curve says in one number, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from openwindow.experiment.compare import Compare
from openwindow.results.comparisons import ceiling, difference_of
from openwindow.stats import paired_difference
from openwindow.stats.curves import area, reached

STEPS = [0, 1, 2, 4]


def test_the_area_is_that_of_the_trapezoids_over_the_steps() -> None:
    assert area(STEPS, [False, True, True, True]) == (0.5 + 1 + 2) / 4
    assert area(STEPS, [0.0, 0.2, 0.6, 1.0]) == pytest.approx((0.1 + 0.4 + 1.6) / 4)
    assert area(STEPS, [0.3] * 4) == pytest.approx(0.3) and area([0, 8], [True, True]) == 1.0
    assert area(STEPS, [False, None, True, True]) is None


def test_the_area_of_a_rate_is_the_mean_of_the_areas_of_its_problems() -> None:
    scores = np.random.default_rng(0).random((40, 4)) < [0.1, 0.4, 0.7, 1.0]
    areas = [area(STEPS, row) for row in scores.tolist()]
    assert area(STEPS, scores.mean(axis=0).tolist()) == pytest.approx(np.mean([a for a in areas if a is not None]))


def test_half_is_reached_on_the_line_between_two_steps_or_never() -> None:
    assert reached(STEPS, [0.0, 0.2, 0.6, 1.0]) == pytest.approx(1.75)
    assert reached(STEPS, [0.0, 0.5, 0.2, 1.0]) == 1.0, "the first time, though it falls again"
    assert reached(STEPS, [0.7, 0.1, 0.1, 0.1]) == 0.0
    assert reached(STEPS, [0.0, 0.1, 0.2, 0.49]) is None


@pytest.mark.parametrize(("steps", "values"), [([0], [1.0]), ([0, 2, 2], [0.0, 0.0, 0.0]), ([0, 1], [0.0])])
def test_a_curve_has_a_value_at_each_of_several_rising_steps(steps: list[float], values: list[float]) -> None:
    for made in (area, reached):
        with pytest.raises(ValueError, match="expected a value for each of two or more rising steps"):
            made(steps, values)


def test_two_arms_that_end_at_the_ceiling_differ_in_their_areas() -> None:
    """Two seeds of two problems by hand: 3/4, 1/2 and 1/2, 1/2 against 1/4 each make 5/16."""
    a = [{"p": area([0, 2, 4], [0, 1, 1]), "q": area([0, 2, 4], [0, 0.5, 1])}, {"p": area([0, 2, 4], [0, 0.5, 1]), "q": 0.5}]
    b = [{"p": 0.25, "q": 0.25}, {"p": 0.25, "q": 0.25}]
    found = paired_difference(a, b, rng=np.random.default_rng(0), kind="share")
    assert found.difference == pytest.approx((0.75 + 0.5 + 0.5 + 0.5) / 4 - 0.25) and found.at_end == (None, None)
    assert found.low is not None and found.high is not None and found.low < 0.3125 < found.high


def test_the_ceiling_is_said_only_of_a_curve_that_is_there_all_the_way() -> None:
    named = Compare(arm="a", against="b", over="training")
    steps = [0, 1, 8]
    high = [{f"p{i}": area(steps, [True, True, True]) for i in range(8)} for _ in range(3)]
    rises = [{f"p{i}": area(steps, [False, False, True]) for i in range(8)} for _ in range(3)]
    said = ceiling(named, difference_of(high, rises, {}, kind="share"))
    assert said is not None and "`a` is at the ceiling over its whole training in 3 of 3 seeds" in said and "`b`" not in said
    assert ceiling(named, difference_of(rises, rises, {}, kind="share")) is None
