"""How the choice of training seeds widens an interval that was computed as if all replies came from one model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openwindow.stats.intervals import critical, tail

LEVEL = 0.95
_ALIKE = 1e-12
"""spread between seeds below which they count as equal"""


@dataclass(frozen=True, slots=True)
class Widened:
    """The 95 % interval of an estimate and its two-sided p, None where no p was given."""

    low: float
    high: float
    p: float | None


def over_seeds(
    estimate: float,
    ends: tuple[float, float],
    p: float | None,
    by_seed: Sequence[float | None],
    units: float,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Widened:
    """The interval `ends` around an estimate, which treats units (scenarios) as sampled, widened for the sampling of seeds.

    `by_seed` has each seed's own estimate, None if there is none. On each side the result is the widest of the given interval,
    Student's t over the seeds (df = S - 1), and t with the variances of units and seeds added, with the degrees of freedom of
    Satterthwaite 1946 (Biometrics Bull 2:110); what the two variances have in common is not subtracted, which errs on the wide
    side. If all seeds are equal, as they may be by chance, their spread is taken to be the sampling error of one seed's own
    estimate. p is the largest of the parts' p values, so that it is below 0.05 if the interval excludes 0. With one seed nothing
    changes.
    """
    known = np.array([value for value in by_seed if value is not None], dtype=np.float64)
    if len(known) < 2:
        return Widened(*ends, p)
    seeds = float(np.std(known, ddof=1)) / math.sqrt(len(known))
    low, high = (abs(estimate - end) for end in ends)
    parts = [_parts(half, seeds, len(known), units) for half in (low, high)]
    widest = [max(critical(LEVEL, df) * se for se, df in side) for side in parts]
    below, above = max(low, widest[0]), max(high, widest[1])
    toward = parts[0] if estimate > 0 else parts[1]
    if p is not None:
        p = 1.0 if estimate == 0 else max(p, *(tail(abs(estimate) / se, df) if se > 0 else 0.0 for se, df in toward))
    return Widened(max(limits[0], estimate - below), min(limits[1], estimate + above), p)


def _parts(half: float, seeds: float, count: int, units: float) -> list[tuple[float, float]]:
    """Standard errors with their degrees of freedom: of the seeds alone, and of units and seeds together."""
    own = half / critical(LEVEL)
    if seeds < _ALIKE:
        return [(own / math.sqrt(count), count - 1.0)]
    total = own**2 + seeds**2
    freedom = total**2 / (own**4 / max(1, units - 1) + seeds**4 / (count - 1))
    return [(seeds, count - 1.0), (math.sqrt(total), freedom)]
