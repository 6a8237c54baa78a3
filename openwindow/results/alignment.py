"""Whether capability and alignment move together: over arms, seeds and checkpoints, and within a training.

A point is one model: the start, an arm at one seed after a step, or at its end. Its alignment is one minus the misaligned rate, or
minus the probe, of all evals of chat, agentic and drives that have a signal in every point. Arms are the unit of the interval,
since the seeds and checkpoints of one arm are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from openwindow.evals.contexts import NEUTRAL
from openwindow.evals.score_names import READOUTS, UNITS, Readout
from openwindow.evals.scoring.scores import MISALIGNED, Chosen, choose, points_of
from openwindow.results.eval_units import START, EvalUnits, Unit
from openwindow.results.scoring import Scoring
from openwindow.stats import Correlation, clustered_correlation, pearson, repeated_correlation


@dataclass(frozen=True, slots=True)
class Point:
    """One model; None where a side has no value."""

    arm: str
    seed: int | None
    """None for a start that all seeds share"""
    step: int | None
    """None when it was trained"""
    capability: float | None
    alignment: float | None

    @property
    def name(self) -> str:
        """In words."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.arm}{seed}{'' if self.step is None else f', step {self.step}'}"


def capability_alignment(scoring: Scoring) -> dict[str, Any]:
    """Readout of alignment to the points, and their correlation."""
    return {readout: _correlated(scoring, readout) for readout in READOUTS}


def _correlated(scoring: Scoring, readout: Readout) -> dict[str, Any]:
    models = list(_models(scoring.units))
    able, decent = _chosen(scoring, models, "capability", "behaviour"), _chosen(scoring, models, MISALIGNED, readout)
    points = _points(scoring, models, able, decent, readout)
    known = [p for p in points if p.capability is not None and p.alignment is not None]
    x, y = [p.capability for p in known], [p.alignment for p in known]
    c = clustered_correlation(x, y, [p.arm for p in known], np.random.default_rng(0), "arm")
    why = [f"{name}: {chosen.reason}" for name, chosen in (("capability", able), ("alignment", decent)) if chosen.reason]
    return {
        **_numbers(c),
        "reason": "; ".join(why) or c.reason,
        "unit": UNITS[readout],
        "evals": {"capability": list(able.weights), "alignment": list(decent.weights)},
        "left_out": [{"what": p.name, "reason": _missing(p)} for p in points if p not in known],
        "points": [asdict(p) for p in known],
        "within": {arm: _within(scoring.units, arm, known) for arm in scoring.units.steps},
    }


def _numbers(c: Correlation) -> dict[str, Any]:
    return {"estimate": c.estimate, "low": c.low, "high": c.high, "n": c.n, "reason": c.reason}


def _missing(point: Point) -> str:
    lost = [name for name, value in (("capability", point.capability), ("alignment", point.alignment)) if value is None]
    return f"no signal for {' and '.join(lost)}"


Model = tuple[str, int | None, Sequence[Unit], Sequence[int | None]]
"""arm, step, units and their seeds"""


def _models(units: EvalUnits) -> Iterator[Model]:
    """The start, and every arm that was trained, after its steps and at its end."""
    seeds = units.study.seeds
    yield START, None, units.starts, seeds if units.study.starts == "per_seed" else (None,)
    for arm, own in units.arms.items():
        if arm not in units.same:
            for step, of_step in units.steps.get(arm, {}).items():
                yield arm, step, of_step, seeds
            yield arm, None, own, seeds


def _chosen(scoring: Scoring, models: Sequence[Model], score: str, readout: Readout) -> Chosen:
    """The evals that have a signal in every model that has one at all."""
    row = points_of([scoring.of(arm, NEUTRAL, readout, step) for arm, step, *_ in models])
    return choose(row, scoring.units.about, score)


def _points(scoring: Scoring, models: Sequence[Model], able: Chosen, decent: Chosen, readout: Readout) -> list[Point]:
    found: list[Point] = []
    place = 0
    for arm, step, own, seeds in models:
        skills, deeds = scoring.of(arm, NEUTRAL, "behaviour", step).single, scoring.of(arm, NEUTRAL, readout, step).single
        for i, (unit, seed) in enumerate(zip(own, seeds, strict=True)):
            skill = able.value(skills[i]) if place in able.seeds else None
            bad = decent.value(deeds[i]) if place in decent.seeds else None
            place += 1
            if unit.done:
                aligned = None if bad is None else -bad if readout == "probe" else 1.0 - bad
                found.append(Point(arm, seed, step, skill, aligned))
    return found


def _within(units: EvalUnits, arm: str, points: Sequence[Point]) -> dict[str, Any]:
    """The correlation over the checkpoints of one arm, at each seed, from its start to its end."""
    by_seed: list[Correlation] = []
    for seed in units.study.seeds:
        own = [p for p in points if (p.arm == arm and p.seed == seed) or (p.arm == START and p.seed in (None, seed))]
        by_seed.append(pearson([p.capability for p in own], [p.alignment for p in own]))
    mean = repeated_correlation([c.estimate for c in by_seed], "seed")
    reason = mean.reason if mean.estimate is not None else next((c.reason for c in by_seed if c.reason), mean.reason)
    checkpoints = max(c.n for c in by_seed)
    return _numbers(mean) | {"n": checkpoints, "by_seed": [c.estimate for c in by_seed], "reason": reason}
