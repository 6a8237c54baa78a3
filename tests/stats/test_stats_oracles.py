"""Our intervals against scipy's, where scipy has them."""

import numpy as np
import pytest
from scipy import stats

from openwindow.stats import pearson, wilson


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 30), (1, 2), (7, 96), (48, 96), (95, 96), (96, 96)])
def test_wilsons_interval_is_scipys(k: int, n: int, confidence: float) -> None:
    ours, theirs = wilson(k, n, confidence), stats.binomtest(k, n).proportion_ci(confidence, "wilson")
    assert ours is not None and (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", [4, 9, 60])
def test_pearsons_interval_is_scipys(n: int, confidence: float) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(size=n)
    y = 0.6 * x + rng.normal(size=n)
    ours, theirs = pearson(x.tolist(), y.tolist(), confidence), stats.pearsonr(x, y)
    found = theirs.confidence_interval(confidence)
    assert (ours.estimate, ours.low, ours.high) == pytest.approx((theirs.statistic, found.low, found.high), abs=1e-12)
