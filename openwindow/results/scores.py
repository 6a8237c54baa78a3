"""The scores of a study's models, and their differences: what a claim can rest on of what else they learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openwindow.evals.contexts import NEUTRAL
from openwindow.evals.score_names import READOUTS, SCORES, is_gap
from openwindow.evals.scoring.scores import Scored, score_of, unscored
from openwindow.experiment.compare import Compare
from openwindow.experiment.study import Study
from openwindow.results.alignment import capability_alignment
from openwindow.results.eval_units import START, EvalUnits, read_units
from openwindow.results.evals import eval_results
from openwindow.results.scoring import Scoring
from openwindow.stats import Comparison, end_of, holm
from openwindow.stats.intervals import End

METHOD = "95%: over scenarios, those of several evals combined (MOVER, Satterthwaite), widened for the seeds"
"""how the intervals of scores are made"""


def score_results(scoring: Scoring) -> dict[str, Any]:
    """The keys of `evals` that hold scores."""
    units = scoring.units
    contexts = units.study.eval_plan.contexts
    return {
        "scores": _scores(scoring, NEUTRAL),
        "step_scores": {
            arm: {str(step): _cells(scoring, arm, NEUTRAL, step) for step in of_arm} for arm, of_arm in units.steps.items()
        },
        "context_scores": {context: _scores(scoring, context) for context in contexts},
        "score_comparisons": [row for context in (NEUTRAL, *contexts) for row in _differences(scoring, context)],
        "capability_alignment": capability_alignment(scoring),
    }


def _scores(scoring: Scoring, context: str) -> dict[str, Any]:
    """Who to score to readout to cell, in one context."""
    return {who: _cells(scoring, who, context) for who in (START, *scoring.units.arms)}


def _cells(scoring: Scoring, who: str, context: str, step: int | None = None) -> dict[str, Any]:
    about = scoring.units.about
    return {
        score: {readout: score_of(scoring.of(who, context, readout, step), about, score).cell() for readout in READOUTS}
        for score in SCORES
    }


def _differences(scoring: Scoring, context: str) -> list[dict[str, Any]]:
    """Every trained arm against the start, the control arm and the arm that it follows; p adjusted for all with one base."""
    pairs = list(dict.fromkeys(_pairs(scoring.units)))
    found: list[dict[str, Any]] = []
    for base in dict.fromkeys(base for _, base in pairs):
        rows = [
            (arm, score, readout, score_of(scoring.between(arm, base, context, readout), scoring.units.about, score))
            for arm in (arm for arm, other in pairs if other == base)
            for score in SCORES
            for readout in READOUTS
        ]
        adjusted = holm([made.p for *_, made in rows])
        found += [
            {
                "arm": arm,
                "against": base,
                "score": score,
                "readout": readout,
                "context": context,
                "difference": made.estimate,
                "p": made.p,
                "p_holm": p,
                "n_pairs": made.pairs,
                **made.record(),
            }
            for (arm, score, readout, made), p in zip(rows, adjusted, strict=True)
        ]
    return found


def _pairs(units: EvalUnits) -> Iterator[tuple[str, str]]:
    """Who is compared with whom: an arm that trained nothing is the start, and is in none."""
    trained = [arm for arm in units.arms if arm not in units.same]
    for arm in trained:
        yield arm, START
        for base in (units.control, units.study.arms[arm].follows):
            if base is not None and base in trained and base != arm:
                yield arm, base


@dataclass(frozen=True, slots=True)
class Learned:
    """What the evals of a run come to; empty if the study names none."""

    results: dict[str, Any]
    """the key `evals` of results.json"""
    compared: Mapping[Compare, Comparison]
    """the named comparisons that rest on a score, as a verdict takes them"""
    recorded: Mapping[Compare, Mapping[str, Any]]
    """what results.json has of them besides"""


def read_learned(run: Path, study: Study) -> Learned:
    """Reads the evals of a run."""
    units = read_units(run, study)
    if units is None:
        return Learned({}, {}, {})
    scoring = Scoring(units)
    named = [c for c in study.compare if c.score is not None]
    made = {c: _compared(scoring, c, str(c.score)) for c in named}
    return Learned(
        eval_results(units) | score_results(scoring),
        {c: _comparison(scoring, c, made[c]) for c in named},
        {c: _recorded(c, made[c]) for c in named},
    )


def _comparison(scoring: Scoring, named: Compare, made: Scored) -> Comparison:
    p = made.p if named.margin is None else made.p_of(-named.margin)
    ends = (None, None) if made.estimate is None else _ends(scoring, named, str(named.score))
    return Comparison(made.estimate, made.low, made.high, p, made.pairs, made.by_seed, made.reason, METHOD, ends)


def _recorded(named: Compare, made: Scored) -> dict[str, Any]:
    kept = ("unit", "scenarios", "evals", "left_out")
    return {"score": named.score, "readout": named.readout} | {name: made.record()[name] for name in kept}


def _compared(scoring: Scoring, named: Compare, score: str) -> Scored:
    """The difference at the seeds at which the evals of both arms are finished; None if there is none."""
    units, seeds = scoring.units, scoring.units.study.seeds
    pairs = list(zip(seeds, units.arms[named.arm], units.arms[named.against], strict=True))
    if not any(arm.done and against.done for _, arm, against in pairs):
        for seed, *both in pairs:
            for who, unit in zip((named.arm, named.against), both, strict=True):
                if not unit.done and seed not in units.empty[who]:
                    return unscored(f"the evals of `{who}` at seed {seed} are not finished", named.readout, len(seeds))
    return score_of(scoring.between(named.arm, named.against, named.eval_context, named.readout), units.about, score)


def _ends(scoring: Scoring, named: Compare, score: str) -> tuple[End | None, End | None]:
    """Whether the score of each arm is at an end of its scale at every seed; a difference and nats have none."""
    if named.readout == "probe" or is_gap(score):
        return None, None
    one, other = (
        score_of(scoring.of(who, named.eval_context, named.readout), scoring.units.about, score).by_seed
        for who in (named.arm, named.against)
    )
    return end_of([v for v in one if v is not None]), end_of([v for v in other if v is not None])
