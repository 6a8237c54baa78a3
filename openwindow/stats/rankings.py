"""Whether a ranking holds: correlation of a score with what was measured afterwards, over prompts and seeds.

It takes one list of prompts or several. Unit of analysis: the kind of prompt (each prompt its own kind if none are given), since
prompts of one kind may be near copies of each other, and the seed if there are several. Kinds are resampled with replacement,
each with all its prompts, and so are the seeds over which a prompt's measured value is averaged (percentile bootstrap; Efron
1979, Ann Stat 7:1). The interval is the wider of that and Fisher's, since few kinds make the bootstrap too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from openwindow.stats.correlation import Correlation, pearson, spearman
from openwindow.stats.intervals import DRAWS, Interval, check_confidence, critical, hull

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["pearson", "spearman"]
_CLOSED: dict[Kind, Callable[[Sequence[float | None], Sequence[float | None], float], Correlation]] = {
    "pearson": pearson,
    "spearman": spearman,
}
_MOST_UNDEFINED = 0.1
"""share of resamples without a correlation (one side constant) above which there is no bootstrap interval"""
_FLAT = 1e-9
"""a spread below this, relative to the values, is rounding"""


@dataclass(frozen=True, slots=True)
class Ranking:
    """A score for each prompt, and what was measured for it afterwards at each seed; None if unknown."""

    scores: Sequence[float | None]
    measured: Sequence[Sequence[float | None]]
    """prompt, then seed, in units of the measure"""
    kinds: Sequence[str] | None = None
    """the kind of each prompt; prompts of one kind may be similar. None: each prompt is its own kind"""

    def means(self) -> list[float | None]:
        """What was measured for each prompt, over its known seeds."""
        known = [[v for v in by_seed if v is not None] for by_seed in self.measured]
        return [sum(values) / len(values) if values else None for values in known]


def ranking_correlation(ranking: Ranking, kind: Kind, rng: np.random.Generator, confidence: float = 0.95) -> Correlation:
    """The correlation of score and measured value over prompts.

    None below four prompts that have both, or where one side does not vary; no interval where too many resamples have none.
    """
    closed = _CLOSED[kind](ranking.scores, ranking.means(), confidence)
    unit = "prompts" if ranking.kinds is None else "kinds of prompts"
    method = f"{kind.capitalize()}; the wider of a bootstrap over {unit} and seeds and Fisher's z"
    if closed.estimate is None:
        return Correlation(None, None, None, closed.n, closed.reason, method)
    fisher = None if closed.low is None or closed.high is None else Interval(closed.low, closed.high)
    interval = hull([fisher, _ends(resampled(ranking, kind, rng), confidence)])
    if interval is None:
        reason = closed.reason or "too many resamples have no correlation"
        return Correlation(closed.estimate, None, None, closed.n, reason, method)
    return Correlation(closed.estimate, interval.low, interval.high, closed.n, None, method)


def clustered_correlation(
    x: Sequence[float | None],
    y: Sequence[float | None],
    clusters: Sequence[str],
    rng: np.random.Generator,
    unit: str,
    confidence: float = 0.95,
) -> Correlation:
    """Pearson's correlation over points of which several belong to one cluster, such as the seeds and checkpoints of an arm.

    The unit is the cluster, called `unit` in words, and `n` counts them: clusters are resampled with all their points, and the
    interval is the wider of that and Fisher's z with as many pairs as there are clusters. None below four points or where a side
    does not vary; no interval below four clusters.
    """
    closed = pearson(x, y, confidence)
    method = f"Pearson; the wider of a bootstrap over {unit}s and Fisher's z over {unit}s"
    n = len({of for a, b, of in zip(x, y, clusters, strict=True) if a is not None and b is not None})
    if closed.estimate is None:
        return Correlation(None, None, None, n, closed.reason, method)
    if n < 4:
        return Correlation(closed.estimate, None, None, n, f"{n} {unit}s; at least 4 are needed for an interval", method)
    if closed.low is None:
        return Correlation(closed.estimate, None, None, n, closed.reason, method)
    middle, half = math.atanh(closed.estimate), critical(confidence) / math.sqrt(n - 3)
    fisher = Interval(math.tanh(middle - half), math.tanh(middle + half))
    drawn = _ends(resampled(Ranking(x, [[value] for value in y], clusters), "pearson", rng), confidence)
    widest = hull([fisher, drawn])
    low, high = (fisher.low, fisher.high) if widest is None else (widest.low, widest.high)
    return Correlation(closed.estimate, low, high, n, None, method)


def mean_correlation(rankings: Sequence[Ranking], kind: Kind, rng: np.random.Generator, confidence: float = 0.95) -> Correlation:
    """The mean of the correlations of several lists of prompts, each list resampled separately; `n` counts the lists.

    None with a reason unless all lists have a correlation.
    """
    check_confidence(confidence)
    method = f"mean of {kind.capitalize()}'s over lists; the wider of a bootstrap and Fisher's z"
    closed = [_CLOSED[kind](r.scores, r.means(), confidence) for r in rankings]
    known = [c.estimate for c in closed if c.estimate is not None]
    if not closed or len(known) < len(closed):
        reason = next((c.reason for c in closed if c.estimate is None), "no list of prompts")
        return Correlation(
            None, None, None, len(known), f"{len(known)} of {len(closed)} lists have a correlation: {reason}", method
        )
    mean = sum(known) / len(known)
    draws = np.mean([resampled(r, kind, rng) for r in rankings], axis=0)
    interval = hull([_fisher_mean(closed, confidence), _ends(draws, confidence)])
    if interval is None:
        return Correlation(mean, None, None, len(known), "too many resamples have no correlation", method)
    return Correlation(mean, min(mean, interval.low), max(mean, interval.high), len(known), None, method)


def resampled(ranking: Ranking, kind: Kind, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """The correlation of each resample, (draws,); NaN if a side is constant or fewer than three prompts are known."""
    seeds = len(ranking.measured[0])
    table = np.array([[np.nan if v is None else v for v in row] for row in ranking.measured], dtype=np.float64).reshape(-1, seeds)
    score_P = np.array([np.nan if v is None else v for v in ranking.scores], dtype=np.float64)
    known = ~np.isnan(score_P) & ~np.isnan(table).all(axis=1)
    score_P, table = score_P[known], table[known]
    kinds = np.arange(len(known)) if ranking.kinds is None else np.unique(np.array(ranking.kinds), return_inverse=True)[1]
    rows_DP, drawn_DP = _rows_of_kinds(kinds[known], rng, draws)
    seeds_DS = rng.integers(seeds, size=(draws, seeds))
    drawn_DPS = table[rows_DP[:, :, None], seeds_DS[:, None, :]]
    there_DPS = ~np.isnan(drawn_DPS) & drawn_DP[:, :, None]
    count_DP = there_DPS.sum(axis=2)
    measured_DP = np.where(there_DPS, drawn_DPS, 0.0).sum(axis=2) / np.maximum(count_DP, 1)
    return _correlations(score_P[rows_DP], measured_DP, count_DP > 0, kind)


def _rows_of_kinds(kinds: npt.NDArray[np.int64], rng: np.random.Generator, draws: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Rows of as many kinds as there are, drawn with replacement, (draws, P) filled up with row 0, and which are drawn."""
    rows = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    most = max(map(len, rows), default=0)
    table = np.array([[*of, *[-1] * (most - len(of))] for of in rows], dtype=np.int64).reshape(-1, most)
    found = table[rng.integers(len(table), size=(draws, len(table)))].reshape(draws, -1) if len(rows) else table.reshape(draws, 0)
    return np.maximum(found, 0), found >= 0


def _correlations(x_DP: Floats, y_DP: Floats, known_DP: npt.NDArray[np.bool_], kind: Kind) -> Floats:
    """The correlation of each row over its known pairs, (D,)."""
    if kind == "spearman":  # the unknown rank last, and so do not move the known
        x_DP, y_DP = (stats.rankdata(np.where(known_DP, side, np.inf), axis=1) for side in (x_DP, y_DP))
    n_D = known_DP.sum(axis=1)
    dx_DP, dy_DP = (_centred(side, known_DP, n_D) for side in (x_DP, y_DP))
    square_x, square_y = (dx_DP**2).sum(axis=1), (dy_DP**2).sum(axis=1)
    defined = (n_D >= 3) & (square_x > (_FLAT * n_D) ** 2) & (square_y > (_FLAT * n_D) ** 2)
    r_D = (dx_DP * dy_DP).sum(axis=1) / np.sqrt(np.where(defined, square_x * square_y, 1.0))
    return np.where(defined, np.clip(r_D, -1.0, 1.0), np.nan)


def _centred(side_DP: Floats, known_DP: npt.NDArray[np.bool_], n_D: npt.NDArray[np.int64]) -> Floats:
    """Deviations from the mean of the known; 0 for the others."""
    known = np.where(known_DP, side_DP, 0.0)
    return np.where(known_DP, known - (known.sum(axis=1) / np.maximum(n_D, 1))[:, None], 0.0)


def _ends(draws: Floats, confidence: float) -> Interval | None:
    """Percentile ends; None where too many draws are undefined, or where they are all alike."""
    known = draws[~np.isnan(draws)]
    if len(known) < (1 - _MOST_UNDEFINED) * len(draws):
        return None
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high)) if high - low > _FLAT else None


def _fisher_mean(closed: Sequence[Correlation], confidence: float) -> Interval | None:
    """The mean's interval from the standard errors of its parts, of Fisher's z times the slope 1 - r^2 of r in z."""
    if any(c.low is None for c in closed):
        return None
    rs = [(c.estimate or 0.0, c.n) for c in closed]
    half = critical(confidence) * math.sqrt(sum(((1 - r * r) ** 2) / (n - 3) for r, n in rs)) / len(rs)
    mean = sum(r for r, _ in rs) / len(rs)
    return Interval(max(-1.0, mean - half), min(1.0, mean + half))
