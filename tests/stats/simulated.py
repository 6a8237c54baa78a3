"""Studies whose truth is known: seeds, families and problems vary on the scale of the log-odds, or seeds tip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from openwindow.stats import Expected, arm_rate, paired_difference, verdict_of
from openwindow.stats.curves import area

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
FAMILY_SD, PROBLEM_SD = 2.6, 0.5
"""on the log-odds: at a rate of 0.4 the family has about half of the variance of a problem's outcome (an ICC of 0.5)"""
SHARED = 0.5
"""share of a family's part that both arms have"""
STEPS, SLOPE = (0, 1, 2, 3, 4, 6, 8), 2.0
"""where curves are measured, and how fast the log-odds rise in a step"""


def level(rate, sd):
    """The log-odds around which normal ones of that sd have the mean rate."""
    weights = WEIGHTS / WEIGHTS.sum()
    return float(optimize.brentq(lambda m: float(weights @ special.expit(m + sd * NODES)) - rate, -60, 60))


@dataclass(frozen=True)
class Found:
    """Shares of the simulated studies, from 0 to 1, and mean widths."""

    rate: float
    rate_width: float
    difference: float
    difference_width: float
    rejected: float
    refuted: float
    supported: float


def studies(draw, truth, count, kind="rate"):
    """`draw` gives the two arms' outcomes, (seeds, problems) each, and the problems' families or None; `truth` their rates."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(count):
        a, b, of = draw()
        ids = [[f"s{s}/{p}" for p in range(a.shape[1])] for s in range(a.shape[0])]
        clusters = None if of is None else {ids[s][p]: f"f{of[s, p]}" for s in range(a.shape[0]) for p in range(a.shape[1])}
        mine, other = ([dict(zip(i, row, strict=True)) for i, row in zip(ids, arm.tolist(), strict=True)] for arm in (a, b))
        e = arm_rate(mine, kind=kind, clusters=clusters, rng=rng)
        c = paired_difference(mine, other, rng=rng, kind=kind, clusters=clusters)
        verdict, gap = verdict_of([Expected(c, 1)], 0.1), truth[0] - truth[1]
        rows.append(
            (
                e.low <= truth[0] <= e.high,
                e.high - e.low,
                c.low <= gap <= c.high,
                c.high - c.low,
                c.p < 0.05,
                verdict == "not supported",
                verdict == "supported",
            )
        )
    return Found(*np.mean(rows, axis=0).tolist())


def smooth(seeds, problems, families, seed_sd, rates, count):
    """Seeds vary smoothly; every seed has problems of its own, of families that all seeds share."""
    rng = np.random.default_rng([seeds, problems, families, int(10 * seed_sd), *(int(100 * r) for r in rates)])
    total = float(np.sqrt(seed_sd**2 + FAMILY_SD**2 + PROBLEM_SD**2))

    def draw():
        common, problem = rng.normal(size=families), rng.normal(size=(seeds, problems))
        of = np.array([rng.permutation(np.arange(problems) % families) for _ in range(seeds)])
        arms = []
        for rate in rates:
            own = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.normal(size=families)
            seed = seed_sd * rng.normal(size=(seeds, 1))
            odds = level(rate, total) + seed + FAMILY_SD * own[of] + PROBLEM_SD * problem
            arms.append(rng.random((seeds, problems)) < special.expit(odds))
        return *arms, of

    return studies(draw, rates, count)


def curves(seeds, problems, families, seed_sd, middles, count):
    """As `smooth`, over the steps of a training: areas of problems, in arms whose log-odds cross 0 at the step in `middles`.

    A problem that shows the behaviour at a step does at every later one, as under greedy decoding of a model that drifts.
    """
    rng = np.random.default_rng([seeds, problems, families, int(10 * seed_sd), *(int(10 * m) for m in middles)])
    total = float(np.sqrt(seed_sd**2 + FAMILY_SD**2 + PROBLEM_SD**2))
    weights = WEIGHTS / WEIGHTS.sum()

    def draw():
        common, problem = rng.normal(size=families), rng.normal(size=(seeds, problems))
        of = np.array([rng.permutation(np.arange(problems) % families) for _ in range(seeds)])
        arms = []
        for middle in middles:
            own = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.normal(size=families)
            base = seed_sd * rng.normal(size=(seeds, 1)) + FAMILY_SD * own[of] + PROBLEM_SD * problem
            chance = rng.random((seeds, problems))
            shown = [chance < special.expit(base + SLOPE * (step - middle)) for step in STEPS]
            arms.append(_areas(np.array(shown, dtype=float)))
        return *arms, of

    rates = [[float(weights @ special.expit(SLOPE * (step - m) + total * NODES)) for step in STEPS] for m in middles]
    return studies(draw, [area(STEPS, of) for of in rates], count, "share")


def _areas(shown):
    """The area of each problem at each seed, from (steps, seeds, problems)."""
    return np.array([[area(STEPS, shown[:, s, p].tolist()) for p in range(shown.shape[2])] for s in range(shown.shape[1])])


def tipping(seeds, problems, shares, count, *, high=0.999, low=0.1):
    """Each seed of an arm ends at `high` with the chance in `shares`, else at `low`."""
    rng = np.random.default_rng([seeds, problems, *(int(100 * q) for q in shares)])

    def draw():
        ends = [np.where(rng.random((seeds, 1)) < q, high, low) for q in shares]
        return *(rng.random((seeds, problems)) < end for end in ends), None

    return studies(draw, [q * high + (1 - q) * low for q in shares], count)


def icc(rate, draws=200_000):
    """The share of the variance of an outcome that its family makes, seeds alike."""
    rng = np.random.default_rng(0)
    family = FAMILY_SD * rng.normal(size=draws)
    odds = level(rate, float(np.hypot(FAMILY_SD, PROBLEM_SD))) + family
    one, other = (special.expit(odds + PROBLEM_SD * rng.normal(size=draws)) for _ in range(2))
    return float(np.cov(one, other)[0, 1] / (rate * (1 - rate)))
