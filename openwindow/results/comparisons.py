"""The comparisons that a study named before it ran: their results, what they say about its claim, and the answer in words.

A comparison is of a measure of the environment, or of a score of the evals, in shares or in nats per token. It reads no file and
imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from openwindow.evals.score_names import NATS
from openwindow.experiment.compare import Compare
from openwindow.files import records
from openwindow.stats import (
    FEWEST_SEEDS,
    Comparison,
    Expected,
    Verdict,
    detectable,
    holm,
    may_differ,
    p_beyond,
    paired_difference,
    verdict_of,
)
from openwindow.stats.cells import Value
from openwindow.stats.intervals import Kind
from openwindow.types import Measure

# arm, context, measure -> one mapping per seed from problem to score
Scores = dict[tuple[str, str, str], list[dict[str, bool | None]]]
Compared = Sequence[tuple[Compare, Comparison]]

FEWEST_FAMILIES = 4
"""families below which they are no sample of families, and a rate or difference is about problems within them"""
POWER = 0.8
HOLM_IN_WORDS = (
    "A claim is supported if each comparison that decides holds by its own interval: all of them must, so none is adjusted for "
    "the others. Holm's p asks something else: whether this one difference can be told from 0 among all that were tested with it "
    "(those that decide are one family, those that describe another). So it may be above 0.05 although the claim is supported."
)
_SIGN: dict[str, Literal[-1, 1]] = {"less": -1, "more": 1, "kept": 1}


def clusters_of(problems: Iterable[str], families: Mapping[str, str]) -> tuple[int, dict[str, str] | None]:
    """How many families the problems belong to, and each problem's family if families are the unit; None if they are too few."""
    of = {problem: families.get(problem) or problem for problem in problems}
    count = len(set(of.values()))
    return count, of if count >= FEWEST_FAMILIES else None


def compare_all(
    scores: Scores,
    families: Mapping[str, str],
    named: Sequence[Compare],
    others: Mapping[Compare, Comparison],
    why: Mapping[tuple[str, str], str],
) -> list[tuple[Compare, Comparison]]:
    """Each named comparison with its result, families as the unit (`clusters_of`).

    `others` has those that are not of rates at the end: of scores of evals, and of what is measured over training.

    `why` has the commonest reason for which a reply of an arm in a context has no score.

    For a comparison that claims that something is kept, p tests a loss of exactly its margin; for all others, no difference.
    """
    return [(c, others[c] if c in others else _of_rates(scores, families, c, why)) for c in named]


def _of_rates(scores: Scores, families: Mapping[str, str], named: Compare, why: Mapping[tuple[str, str], str]) -> Comparison:
    a, b = _sides(scores, named)
    if (reason := _nothing_of(named, a, b, why)) is not None:
        return replace(difference_of(a, b, families), reason=reason)
    return compared(a, b, families, named)


def compared(
    a: Sequence[Mapping[str, Value]],
    b: Sequence[Mapping[str, Value]],
    families: Mapping[str, str],
    named: Compare,
    kind: Kind = "rate",
) -> Comparison:
    """The scores of a minus those of b, with the p that the comparison asks for (`compare_all`)."""

    def at(confidence: float) -> Comparison:
        return difference_of(a, b, families, kind=kind, confidence=confidence)

    found = at(0.95)
    return found if named.margin is None else found.with_p(p_beyond(at, -named.margin))


def difference_of(
    a: Sequence[Mapping[str, Value]],
    b: Sequence[Mapping[str, Value]],
    families: Mapping[str, str],
    *,
    kind: Kind = "rate",
    confidence: float = 0.95,
) -> Comparison:
    """The scores of a minus those of b, one mapping per seed from problem to score, families as the unit (`clusters_of`)."""
    clusters = clusters_of(paired_problems(a, b), families)[1]
    rng, unit = np.random.default_rng(0), "problem" if clusters is None else "family"
    return paired_difference(a, b, rng=rng, kind=kind, unit=unit, clusters=clusters, confidence=confidence)


def _nothing_of(
    named: Compare, a: Sequence[Mapping[str, Value]], b: Sequence[Mapping[str, Value]], why: Mapping[tuple[str, str], str]
) -> str | None:
    """Why there is nothing to compare where no reply of a side has a score; None if both sides have some."""
    sides = ((named.arm, named.context, a), (named.against, named.against_context or named.context, b))
    blank = [(arm, context, any(side)) for arm, context, side in sides if all(v is None for seed in side for v in seed.values())]
    reasons = [why[arm, context] for arm, context, asked in blank if asked and (arm, context) in why]
    if not blank or reasons:
        return reasons[0] if reasons else None
    arms = " and ".join(dict.fromkeys(_label(arm) for arm, *_ in blank))
    return f"no reply of {arms} {'has a score' if any(asked for *_, asked in blank) else 'is there'}"


def _sides(scores: Scores, named: Compare) -> tuple[list[dict[str, bool | None]], list[dict[str, bool | None]]]:
    a = scores[named.arm, named.context, named.measure]
    return a, scores[named.against, named.against_context or named.context, named.measure]


def paired_problems(a: Sequence[Mapping[str, Value]], b: Sequence[Mapping[str, Value]]) -> set[str]:
    """Problems with a score on both sides at some seed."""
    return {p for one, other in zip(a, b, strict=True) for p in one if one[p] is not None and other.get(p) is not None}


def comparison_records(
    compared: Compared, scores: Scores, families: Mapping[str, str], others: Mapping[Compare, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The comparisons as stored in results.json; `others` has what is stored besides of those that are not of rates at the end."""
    adjusted = _holm_by_family(compared)
    return [
        _record(named, c, p, others[named] if named in others else _families(named, scores, families))
        for (named, c), p in zip(compared, adjusted, strict=True)
    ]


def _families(named: Compare, scores: Scores, families: Mapping[str, str]) -> dict[str, Any]:
    return {"families": clusters_of(paired_problems(*_sides(scores, named)), families)[0]}


def _holm_by_family(compared: Compared) -> list[float | None]:
    """Adjusted p values: the comparisons that decide are one family, those that only describe another."""
    adjusted: list[float | None] = [None] * len(compared)
    for decides in (True, False):
        places = [i for i, (named, _) in enumerate(compared) if named.decides is decides]
        for i, p in zip(places, holm([compared[i][1].p for i in places]), strict=True):
            adjusted[i] = p
    return adjusted


def _record(named: Compare, c: Comparison, p_holm: float | None, more: Mapping[str, Any]) -> dict[str, Any]:
    only = {"against_context": named.against_context, "margin": named.margin, "smallest": named.smallest}
    return records.Comparison(
        measure=named.what,
        context=named.where,
        arm=named.arm,
        against=named.against,
        expect=named.expect,
        difference=c.difference,
        low=c.low,
        high=c.high,
        p=c.p,
        p_holm=p_holm,
        n_pairs=c.n_pairs,
        by_seed=c.by_seed,
        reason=c.reason,
        ceiling=ceiling(named, c),
        detectable=could_find(named, c),
        **more,
        **{name: value for name, value in only.items() if value is not None},
    ).written()


def could_find(named: Compare, c: Comparison) -> float | None:
    """The smallest effect that this comparison would have detected in 80 % of runs, if the spread of this run were the true one.

    For a claim that something is kept, the smallest margin that it would have shown if nothing was lost. None for a comparison
    that does not decide, without an interval, and if no difference on its scale is as large.
    """
    if not named.decides:
        return None
    return smallest_found((c.difference, c.low, c.high), c.seeds, named.largest, "less" if named.expect == "less" else "more")


def smallest_found(
    found: tuple[float | None, float | None, float | None],
    seeds: int,
    largest: float = 1.0,
    expect: Literal["less", "more"] | None = None,
) -> float | None:
    """The smallest effect that a difference with this interval would have shown in 80 % of runs; None if `largest` is less.

    `found` is the difference with its ends, `expect` the side on which it was expected, None for either.
    """
    difference, low, high = found
    if difference is None or low is None or high is None:
        return None
    halves = {"less": high - difference, "more": difference - low}
    size = detectable(max(halves.values()) if expect is None else halves[expect], seeds, POWER)
    return size if size <= largest else None


def ceiling(named: Compare, c: Comparison) -> str | None:
    """A remark if an arm is at one end of the scale at every seed; None otherwise.

    Seeds may agree by chance: training that tips one way or the other can look the same at each of a few seeds.
    """
    ends = list(dict.fromkeys(zip((named.arm, named.against), c.at_end, strict=True)))
    over = " over its whole training" if named.over == "training" else ""
    said = [f"{_label(arm)} is at the {end}{over} in {c.seeds} of {c.seeds} seeds" for arm, end in ends if end is not None]
    return f"{' and '.join(said)}; up to {100 * may_differ(c.seeds):.0f} % of seeds may behave otherwise" if said else None


def judged(compared: Compared, smallest_effect: float) -> tuple[Verdict, str]:
    """The verdict, and the reason for it in words."""
    deciding = [(named, c, _expected(named, c)) for named, c in compared if named.decides]
    if not deciding:
        return "inconclusive", "no comparison decides: the study describes"
    verdict = verdict_of([item for *_, item in deciding], smallest_effect)
    if verdict == "supported":
        return verdict, f"{len(deciding)} of {len(deciding)} comparisons that decide hold, each by its own interval"
    if verdict == "not supported":
        named, item = next((named, item) for named, _, item in deciding if item.fails(smallest_effect))
        effect = f"an effect of {_size(named, item.least(smallest_effect))} or more as claimed"
        left_out = effect if named.margin is None else f"a loss of less than {_size(named, named.margin)}"
        return verdict, f"{_pair(named)}: the interval excludes {left_out}"
    return verdict, _undecided(deciding, smallest_effect)


def _undecided(deciding: Sequence[tuple[Compare, Comparison, Expected]], smallest_effect: float) -> str:
    """Why there is no verdict: too few seeds, an arm at an end of the scale, or an interval that contains both."""
    none = next(((named, c) for named, c, _ in deciding if c.difference is None), None)
    if none is not None and none[0].score is not None:
        return f"{_pair(none[0])}: {none[1].reason}"
    few = min((c.seeds for _, c, _ in deciding if c.difference is not None), default=FEWEST_SEEDS)
    if few < FEWEST_SEEDS:
        seeds = "1 seed was" if few == 1 else f"{few} seeds were"
        return f"{seeds} measured, and fewer than {FEWEST_SEEDS} do not show how seeds vary: run more seeds for a verdict"
    left = [(named, c, item) for named, c, item in deciding if not item.holds]
    for named, c, item in left:
        if item.tips and item.ends is not None and item.ends[1] < item.least(smallest_effect):
            return f"{_pair(named)}: {ceiling(named, c)}, so a difference is not ruled out"
    named, c, _ = left[0]
    if c.low is None:
        return f"{_pair(named)}: {c.reason}"
    return f"{_pair(named)}: the interval contains both what is claimed and what is not"


def _expected(named: Compare, c: Comparison) -> Expected:
    return Expected(c, _SIGN[named.expect], named.margin, named.smallest)


def answer(compared: Compared, verdict: str, measures: Sequence[Measure]) -> str:
    """The first comparison in one sentence, with its interval, and, if it holds, the other comparisons on which the claim fails."""
    if not compared:
        return "No comparison was named before the run, so the study describes and does not decide."
    named, c = compared[0]
    against = _label(named.against) + (f" under the {named.against_context} prompt" if named.against_context else "")
    if c.difference is None or c.low is None or c.high is None:
        return f"{_subject(named)} could not be compared with {_that(named)}{against}: {c.reason}."
    size = _size(named, abs(c.difference))
    if named.score is None:
        verb = next((measure.verb for measure in measures if measure.name == named.measure), named.measure)
        over = ", on average over the steps of its training," if named.over == "training" else ""
        text = f"{_subject(named)}{over} {verb} {size} {'less' if c.difference < 0 else 'more'} often than {against}"
    else:
        text = f"{_subject(named)} is {size} {'lower' if c.difference < 0 else 'higher'} than {_that(named)}{against}"
    interval = f"95 % interval {_signed(named, c.low)} to {_signed(named, c.high)}"
    return (
        f"{text} (difference {_signed(named, c.difference)}{_unit(named)}, {interval}; {c.seeds} "
        f"seed{'s' if c.seeds != 1 else ''}, {c.n_pairs} pairs): the claim is {verdict}.{_failing(compared)}"
    )


def _subject(named: Compare) -> str:
    """What the first sentence is about."""
    if named.score is None:
        return f"Under the {named.context} prompt, {_label(named.arm)}"
    gaps = {"gap": "gap between agentic and chat", "conduct_gap": "gap between duties and advice"}
    what = gaps.get(named.score, f"{named.score} score")
    return f"In the {named.eval_context} context of the evals, the {what} ({named.readout}) of {_label(named.arm)}"


def _that(named: Compare) -> str:
    return "" if named.score is None else "that of "


def _failing(compared: Compared) -> str:
    """If the first comparison holds and another that decides does not: which ones do not."""
    failed = [(named, c) for named, c in compared if named.decides and not _expected(named, c).holds]
    if not failed or not compared[0][0].decides or compared[0] in failed:
        return ""
    missed = []
    for named, c in failed:
        amount = "not measured" if c.difference is None else _signed(named, c.difference)
        missed.append(f"{_pair(named)} ({amount}{_unit(named) if named.unit == NATS and c.difference is not None else ''})")
    return f" This difference is as claimed; not so {', '.join(missed)}."


def _pair(named: Compare) -> str:
    return f"{_label(named.arm)} against {_label(named.against)}{' over training' if named.over == 'training' else ''}"


def _label(arm: str) -> str:
    return f"`{arm}`"


def _size(named: Compare, value: float) -> str:
    """An effect in the unit of a comparison."""
    if named.unit == NATS:
        return f"{value:.2g} {NATS}"
    return f"{100 * value:.0f} point{'' if math.isclose(100 * value, 1.0) else 's'}"


def _signed(named: Compare, value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}" if named.unit == NATS else f"{100 * value:+.0f}"


def _unit(named: Compare) -> str:
    return f" {NATS}" if named.unit == NATS else " points"
