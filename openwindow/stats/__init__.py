"""Estimates of one arm, paired comparisons of two, correlations, and the planning of a study. Pure functions."""

from openwindow.stats.compare import (
    Comparison,
    Expected,
    Verdict,
    holm,
    mcnemar_exact,
    newcombe_paired,
    paired_difference,
    sign_flip_p,
    verdict_of,
)
from openwindow.stats.correlation import Correlation, pearson, spearman
from openwindow.stats.intervals import Estimate, Interval, arm_rate, cluster_bootstrap, t_interval, wilson
from openwindow.stats.power import Plan, detectable_difference, power_of, seeds_needed

__all__ = [
    "Comparison",
    "Correlation",
    "Estimate",
    "Expected",
    "Interval",
    "Plan",
    "Verdict",
    "arm_rate",
    "cluster_bootstrap",
    "detectable_difference",
    "holm",
    "mcnemar_exact",
    "newcombe_paired",
    "paired_difference",
    "pearson",
    "power_of",
    "seeds_needed",
    "sign_flip_p",
    "spearman",
    "t_interval",
    "verdict_of",
    "wilson",
]
