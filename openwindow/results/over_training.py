"""Curves over the steps of a training, on test problems: the rate at each step, the area, steps to half, and what differs.

Every point of a curve is over the same problems. The area is a mean over problems, each of which has one of its own, so that it has
an interval over seeds and families as a rate has; the steps to half are a number per seed, unknown (censored) where a curve ends
below a half. It imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openwindow.experiment.compare import Compare
from openwindow.experiment.curves import Curve, Stop, curve_of, places
from openwindow.experiment.study import Study
from openwindow.results.cells import cell_of, collect
from openwindow.results.comparisons import Scores, clusters_of, compared, difference_of, paired_problems
from openwindow.results.load import read_step_rollouts
from openwindow.stats import Comparison, arm_rate, paired_difference
from openwindow.stats.cells import Value
from openwindow.stats.curves import area, reached

HALF = 0.5
BySeed = list[dict[str, Value]]
"""one mapping per seed from problem to score"""


@dataclass(frozen=True, slots=True)
class OverTraining:
    """What was measured at steps comes to; empty if the study names none."""

    results: dict[str, Any]
    """the key `curves` of results.json"""
    compared: Mapping[Compare, Comparison]
    """the named comparisons over training, as a verdict takes them"""
    recorded: Mapping[Compare, Mapping[str, Any]]
    """what results.json has of them besides"""
    missing: list[dict[str, str]]
    """what could not be measured, and why"""


@dataclass(frozen=True, slots=True)
class _Line:
    """A curve in one measure and context."""

    stops: Sequence[Stop]
    at: Sequence[BySeed]
    """the scores at each stop"""

    @property
    def steps(self) -> list[int]:
        """The step of each stop."""
        return [stop.step for stop in self.stops]

    @property
    def areas(self) -> BySeed:
        """The area of each problem at each seed; None where it was not scored at a step, nothing at a seed that lacks a step."""
        found: BySeed = []
        for stops in zip(*self.at, strict=True):
            shared = sorted(set.intersection(*map(set, stops)))
            found.append({problem: area(self.steps, [scores[problem] for scores in stops]) for problem in shared})
        return found

    @property
    def halves(self) -> list[float | None]:
        """By seed, the first step at which half show it; infinite where the curve ends below that, None where a rate is missing."""
        found: list[float | None] = []
        for stops in zip(*self.at, strict=True):
            known = [[float(v) for v in scores.values() if v is not None] for scores in stops]
            if not all(known):
                found.append(None)
            else:
                half = reached(self.steps, [sum(of) / len(of) for of in known], HALF)
                found.append(math.inf if half is None else half)
        return found

    def value_at(self, step: int) -> BySeed | None:
        """The scores at a step; None if the curve has none there. A flat curve has the same everywhere."""
        if len({(stop.arm, stop.saved) for stop in self.stops}) == 1:
            return self.at[0]
        return next((at for stop, at in zip(self.stops, self.at, strict=True) if stop.step == step), None)


def read_curves(run: Path, study: Study, end: Scores, families: Mapping[str, str]) -> OverTraining:
    """The curves of a run; `end` are the scores of the arms when they are trained. Raises ConfigError if there is no run."""
    if not study.evaluation.steps:
        return OverTraining({}, {}, {}, [])
    rows = read_step_rollouts(run)
    measured = {step: collect([r for r in rows if r.step == step], study) for step in study.evaluation.steps}
    asked: dict[tuple[str, int], set[str]] = {}
    for r in rows:
        asked.setdefault((r.context, r.seed), set()).add(r.problem)
    curves = {arm: curve_of(study, arm) for arm in study.arms}

    def at(stop: Stop, context: str, measure: str) -> BySeed:
        scores = (end if stop.saved is None else measured[stop.saved])[stop.arm, context, measure]
        wanted = [asked.get((context, seed)) for seed in study.seeds]
        return [
            {problem: score for problem, score in of_seed.items() if only is None or problem in only}
            for of_seed, only in zip(scores, wanted, strict=True)
        ]

    lines = {
        (arm, context, measure.name): _Line(curve.stops, [at(stop, context, measure.name) for stop in curve.stops])
        for arm, curve in curves.items()
        if curve.stops
        for context in places(study)
        for measure in study.measures
    }
    over = [named for named in study.compare if named.over == "training"]
    found = {named: _compared(lines, named, families) for named in over}
    results = {
        "steps": list(study.evaluation.steps),
        "contexts": list(places(study)),
        "problems": study.evaluation.step_problems or study.evaluation.problems,
        "arms": {arm: {"reason": curve.reason, "measures": _cells(lines, arm, study, families)} for arm, curve in curves.items()},
        "differences": [_difference(lines, named, families) for named in over],
    }
    recorded = {named: {"families": families_of, "over": "training"} for named, (_, families_of) in found.items()}
    return OverTraining(results, {named: c for named, (c, _) in found.items()}, recorded, _missing(study, curves, lines))


Lines = Mapping[tuple[str, str, str], _Line]


def _cells(lines: Lines, arm: str, study: Study, families: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Measure to context to what is known of the curve of an arm; nothing where it has none."""
    return {
        measure.name: {
            context: _cell(line, families)
            for context in places(study)
            if (line := lines.get((arm, context, measure.name))) is not None
        }
        for measure in study.measures
    }


def _cell(line: _Line, families: Mapping[str, str]) -> dict[str, Any]:
    points = [
        {"step": stop.step, "arm": stop.arm, "saved": stop.saved, **cell_of(by_seed, families).written()}
        for stop, by_seed in zip(line.stops, line.at, strict=True)
    ]
    return {"points": points, "area": cell_of(line.areas, families, kind="share").written(), "half": _half(line)}


def _half(line: _Line) -> dict[str, Any]:
    """Steps to half: by seed, and their mean where every seed came to it."""
    halves = line.halves
    known = [half for half in halves if half is not None]
    late = known.count(math.inf)
    e = arm_rate([{} if h is None or late else {"curve": h} for h in halves], kind="mean", unit="seed", rng=_rng())
    return {
        "estimate": e.estimate,
        "low": e.low,
        "high": e.high,
        "by_seed": [None if half == math.inf else half for half in halves],
        "censored": [half == math.inf for half in halves],
        "last": line.steps[-1],
        "reason": f"{_never(late, len(known), line)}, so the mean is not known"
        if late
        else (e.reason if known else "at no seed is there a rate at every step"),
    }


def _never(late: int, seeds: int, line: _Line) -> str:
    return f"below {100 * HALF:.0f} % up to step {line.steps[-1]} at {late} of {seeds} seed{'' if seeds == 1 else 's'}"


def _sides(lines: Lines, named: Compare) -> tuple[_Line, _Line]:
    other = named.against_context or named.context
    return lines[named.arm, named.context, named.measure], lines[named.against, other, named.measure]


def _compared(lines: Lines, named: Compare, families: Mapping[str, str]) -> tuple[Comparison, int]:
    """The difference of the areas, and of how many families its problems are."""
    a, b = (line.areas for line in _sides(lines, named))
    return compared(a, b, families, named, "share"), clusters_of(paired_problems(a, b), families)[0]


def _difference(lines: Lines, named: Compare, families: Mapping[str, str]) -> dict[str, Any]:
    """What results.json has of two curves besides the difference of their areas: that at each step, and in steps to half."""
    a, b = _sides(lines, named)
    steps = []
    for step in sorted({*a.steps, *b.steps}):
        one, other = a.value_at(step), b.value_at(step)
        if one is not None and other is not None:
            steps.append({"step": step, **_of(difference_of(one, other, families))})
    return {
        "arm": named.arm,
        "against": named.against,
        "measure": named.measure,
        "context": named.context,
        "against_context": named.against_context,
        "steps": steps,
        "half": _half_difference(a, b),
    }


def _half_difference(a: _Line, b: _Line) -> dict[str, Any]:
    """Steps to half of a less those of b, paired by seed; None if a curve ends below a half, as it is then not known."""
    late = [(line, line.halves.count(math.inf)) for line in (a, b)]
    never = [
        f"{line.stops[-1].arm} is {_never(count, sum(h is not None for h in line.halves), line)}" for line, count in late if count
    ]
    sides = [[{} if h is None or never else {"curve": h} for h in line.halves] for line in (a, b)]
    found = _of(paired_difference(*sides, rng=_rng(), kind="mean", unit="seed"))
    return found | ({"reason": "; ".join(never)} if never else {})


def _of(c: Comparison) -> dict[str, Any]:
    return {
        "difference": c.difference,
        "low": c.low,
        "high": c.high,
        "p": c.p,
        "n_pairs": c.n_pairs,
        "by_seed": list(c.by_seed),
        "reason": c.reason,
    }


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _missing(study: Study, curves: Mapping[str, Curve], lines: Lines) -> list[dict[str, str]]:
    """The arms without a curve, and the seeds that lack a step of it."""
    found = [{"what": f"curve of {arm} over training", "reason": curve.reason} for arm, curve in curves.items() if curve.reason]
    for arm, curve in curves.items():
        for i, seed in enumerate(study.seeds):
            lacking = [
                stop
                for place, stop in enumerate(curve.stops)
                if not any(line.at[place][i] for (of, _, _), line in lines.items() if of == arm)
            ]
            if lacking and len(lacking) < len(curve.stops):
                which = ", ".join("the start" if stop.step == 0 else f"step {stop.step}" for stop in lacking)
                found.append({"what": f"curve of {arm} over training, seed {seed}", "reason": f"{which} is not measured"})
    return found
