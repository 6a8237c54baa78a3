"""Intervals that count seeds of training beside scenarios: what they come to by hand, and how often they hold what is true."""

from __future__ import annotations

import math

import numpy as np
import pytest

from openwindow.stats.clusters import cluster_difference
from openwindow.stats.intervals import critical, tail
from openwindow.stats.seeds import over_seeds


def test_with_one_seed_nothing_changes() -> None:
    for by_seed in ([0.2], [0.2, None, None], []):
        found = over_seeds(0.2, (0.1, 0.4), 0.03, by_seed, 16)
        assert (found.low, found.high, found.p) == (0.1, 0.4, 0.03)


def test_seeds_that_vary_and_scenarios_that_do_not_are_students_t_over_the_seeds() -> None:
    by_seed = [0.1, 0.3, 0.5]
    found = over_seeds(0.3, (0.3, 0.3), 0.0, by_seed, 16)
    half = critical(0.95, 2) * 0.2 / math.sqrt(3)
    assert (found.low, found.high) == (pytest.approx(0.3 - half), pytest.approx(0.3 + half))
    assert found.p == pytest.approx(tail(0.3 / (0.2 / math.sqrt(3)), 2))


def test_seeds_that_are_alike_say_nothing_of_how_seeds_vary() -> None:
    found = over_seeds(0.3, (0.3 - 1.96 * 0.05, 0.3 + 1.96 * 0.05), 1e-8, [0.3, 0.3, 0.3], 16)
    assert found.high - 0.3 == pytest.approx(0.05 / math.sqrt(3) * critical(0.95, 2), rel=1e-3)
    assert found.p == pytest.approx(tail(6 * math.sqrt(3), 2), rel=1e-3), "no p from a spread of 0"


@pytest.mark.parametrize("by_seed", [[0.1, 0.4], [0.25, 0.25], [0.2, 0.3, 0.26], [0.0, 0.5, 0.25, 0.25]])
def test_an_interval_is_never_narrower_and_its_p_agrees_with_it(by_seed: list[float]) -> None:
    for low, p in ((0.1, 0.001), (0.2, 1e-6), (-0.05, 0.1)):
        found = over_seeds(0.25, (low, 0.5), p, by_seed, 8)
        assert found.low <= low and found.high >= 0.5 and found.p is not None and found.p >= p
        assert (found.p < 0.05) == (found.low > 0)


def test_ends_stay_on_the_scale() -> None:
    found = over_seeds(0.0, (0.0, 0.19), None, [0.0, 0.0], 16, (0.0, 1.0))
    assert (found.low, found.p) == (0.0, None) and 0.8 < found.high <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "between"), [(2, 0.0), (3, 0.0), (3, 0.15), (5, 0.15), (5, 0.3)])
def test_differences_of_trained_models_are_held_in_95_percent(seeds: int, between: float) -> None:
    """Scenarios differ, seeds of training differ by `between` (standard deviation), replies are coins; 16 scenarios."""
    rng, held, runs = np.random.default_rng(7), 0, 300
    for _ in range(runs):
        ease = rng.normal(0, 0.15, 16)
        a, b = ({str(i): [] for i in range(16)} for _ in range(2))  # type: ignore[var-annotated]
        by_seed = []
        for _ in range(seeds):
            lift = rng.normal(0.2, between)
            own = [{str(i): [float(rng.random() < np.clip(0.4 + ease[i] + more, 0, 1))] for i in range(16)} for more in (lift, 0.0)]
            for whole, part in zip((a, b), own, strict=True):
                for scenario, values in part.items():
                    whole[scenario] += values
            by_seed.append(cluster_difference(*own, unit="scenario").difference)
        c = cluster_difference(a, b, unit="scenario")
        assert c.difference is not None and c.low is not None and c.high is not None
        found = over_seeds(c.difference, (c.low, c.high), c.p, by_seed, 16, (-1.0, 1.0))
        held += found.low <= 0.2 <= found.high
    assert held >= 0.93 * runs, held / runs
