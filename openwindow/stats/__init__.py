"""Estimates for one arm, paired comparisons of two, correlations, and study planning. Pure functions."""

from openwindow.stats.compare import (
    Comparison,
    paired_difference,
    sign_flip_p,
)
from openwindow.stats.correlation import Correlation, pearson, repeated_correlation, spearman
from openwindow.stats.intervals import Estimate, Interval, arm_rate, end_of, t_interval, wilson
from openwindow.stats.power import (
    MeanNoise,
    Noise,
    Plan,
    detectable,
    detectable_difference,
    detectable_sum,
    power_of,
    seeds_needed,
)
from openwindow.stats.rankings import clustered_correlation
from openwindow.stats.verdicts import FEWEST_SEEDS, Expected, Verdict, holm, may_differ, p_beyond, verdict_of

__all__ = [
    "FEWEST_SEEDS",
    "Comparison",
    "Correlation",
    "Estimate",
    "Expected",
    "Interval",
    "MeanNoise",
    "Noise",
    "Plan",
    "Verdict",
    "arm_rate",
    "clustered_correlation",
    "detectable",
    "detectable_difference",
    "detectable_sum",
    "end_of",
    "holm",
    "may_differ",
    "p_beyond",
    "paired_difference",
    "pearson",
    "power_of",
    "repeated_correlation",
    "seeds_needed",
    "sign_flip_p",
    "spearman",
    "t_interval",
    "verdict_of",
    "wilson",
]
