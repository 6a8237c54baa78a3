"""The scores of rollouts as a table, and a rate with its interval as results.json holds it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from openwindow.experiment.study import Study
from openwindow.files.records import Cell, Rollout
from openwindow.results.comparisons import Scores, clusters_of
from openwindow.stats import arm_rate
from openwindow.stats.cells import Value
from openwindow.stats.intervals import Kind

MUCH_UNSCORED = 0.1
"""share of replies without a score above which a rate is shown with its bounds"""


def collect(rollouts: Sequence[Rollout], study: Study) -> Scores:
    """Scores by arm, context and measure, for each of the study's seeds in order."""
    index = {seed: i for i, seed in enumerate(study.seeds)}
    measures = [measure.name for measure in study.measures]
    scores: Scores = {
        (arm, context, measure): [{} for _ in study.seeds] for arm in study.arms for context in study.places for measure in measures
    }
    for r in rollouts:
        if r.seed not in index or r.arm not in study.arms or r.context not in study.places:
            continue
        for measure in measures:
            if measure in r.scores:  # otherwise it does not apply to the problem
                scores[r.arm, r.context, measure][index[r.seed]][r.problem] = r.scores[measure]
    return scores


def reasons_of(rollouts: Iterable[Rollout]) -> dict[tuple[str, str], str]:
    """Arm and context to the commonest reason for which a reply there has no score."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for r in rollouts:
        if r.reason:
            found[r.arm, r.context][r.reason] += 1
    return {place: counts.most_common(1)[0][0] for place, counts in found.items()}


def cell_of(
    by_seed: Sequence[Mapping[str, Value]],
    families: Mapping[str, str],
    not_asked: str | None = None,
    why: str | None = None,
    *,
    kind: Kind = "rate",
) -> Cell:
    """A cell of the table, families as the unit (`clusters_of`).

    `why` is the commonest reason of a reply without a score, said where none has one.
    """
    scored = {problem for of_seed in by_seed for problem, score in of_seed.items() if score is not None}
    count, clusters = clusters_of(scored, families)
    unit = "problem" if clusters is None else "family"
    e = arm_rate(by_seed, kind=kind, unit=unit, clusters=clusters, rng=np.random.default_rng(0))
    return Cell(
        estimate=e.estimate,
        low=e.low,
        high=e.high,
        n=e.n,
        families=count,
        unscored=e.unscored,
        bounds=_bounds(by_seed) if e.n and e.unscored > MUCH_UNSCORED * (e.n + e.unscored) else None,
        by_seed=e.by_seed,
        reason=not_asked or (why if e.unscored and not e.n else None) or e.reason,
    )


def _bounds(by_seed: Sequence[Mapping[str, Value]]) -> tuple[float, float]:
    """The rate if no unscored reply shows the behaviour, and if all of them do (Manski 1990, Am Econ Rev 80:319)."""

    def filled(value: bool) -> float:
        means = [sum(value if v is None else v for v in of_seed.values()) / len(of_seed) for of_seed in by_seed if of_seed]
        return sum(means) / len(means)

    return filled(False), filled(True)
