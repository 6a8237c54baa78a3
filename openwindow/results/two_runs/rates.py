"""The rates of every arm that two runs share, and the differences between their arms: paired, with the intervals of a study.

A difference is run B minus run A, over what is scored in both. Rates of measures that are wanted or unwanted are one Holm family,
other measures a second one; contrasts that decide in their study are one, those that describe another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from openwindow.errors import ConfigError
from openwindow.experiment.compare import Compare
from openwindow.results.cells import reasons_of
from openwindow.results.comparisons import (
    Scores,
    ceiling,
    clusters_of,
    difference_of,
    paired_problems,
    smallest_found,
)
from openwindow.results.load import items, mapping
from openwindow.results.records import Json
from openwindow.results.two_runs.pairs import Pair, by_cell
from openwindow.stats import Comparison, arm_rate, holm
from openwindow.types import Measure

BySeed = list[dict[str, bool | None]]
Record = dict[str, Any]


def scores_of(pairs: Sequence[Pair], seeds: Sequence[int], measures: Sequence[str]) -> tuple[Scores, Scores]:
    """The scores of run A and of run B in their pairs: arm, context and measure to one mapping per seed."""
    at = {seed: i for i, seed in enumerate(seeds)}
    found: tuple[Scores, Scores] = ({}, {})
    for (arm, context), own in by_cell(pairs).items():
        for measure in measures:
            sides: tuple[BySeed, BySeed] = ([{} for _ in seeds], [{} for _ in seeds])
            for pair in own:
                if measure in pair.a.scores and measure in pair.b.scores:
                    for side, row in zip(sides, (pair.a, pair.b), strict=True):
                        side[at[row.seed]][pair.item] = row.scores[measure]
            if any(sides[0]):
                for into, side in zip(found, sides, strict=True):
                    into[arm, context, measure] = side
    return found


def families_of(pairs: Sequence[Pair]) -> dict[str, str]:
    """Item to the family of its problem."""
    return {pair.item: pair.a.family or pair.a.problem for pair in pairs}


def rate_records(pairs: Sequence[Pair], scores: tuple[Scores, Scores], meanings: Mapping[str, Measure]) -> list[Record]:
    """Every rate that both runs have, and how far B is from A."""
    a, b = scores
    order, families = {measure: i for i, measure in enumerate(meanings)}, families_of(pairs)
    why = reasons_of(r for pair in pairs for r in (pair.a, pair.b))
    rows = [(key, _between(b[key], a[key], families, why.get(key[:2]))) for key in sorted(a, key=lambda key: order[key[2]])]
    parts = [meanings[measure].part for (_, _, measure), _ in rows]
    adjusted = _by_family([c.p for _, c in rows], [part != "other" for part in parts])
    return [_rate(key, c, p, scores, families) | {"part": part} for (key, c), p, part in zip(rows, adjusted, parts, strict=True)]


def _between(b: BySeed, a: BySeed, families: Mapping[str, str], why: str | None) -> Comparison:
    """The difference, or the commonest reason for which replies have no score."""
    found = difference_of(b, a, families)
    return found if found.difference is not None or why is None else replace(found, reason=why)


def _rate(
    key: tuple[str, str, str], c: Comparison, p_holm: float | None, scores: tuple[Scores, Scores], families: Mapping[str, str]
) -> Record:
    arm, context, measure = key
    a, b = (of[key] for of in scores)
    both = [{item for item in one if one[item] is not None and other[item] is not None} for one, other in zip(a, b, strict=True)]
    stub = Compare(arm="B", against="A", measure=measure, context=context, expect="none")
    return {
        "arm": arm,
        "context": context,
        "measure": measure,
        "a": _cell(a, both, families),
        "b": _cell(b, both, families),
        **told(c, p_holm),
        "families": clusters_of(paired_problems(a, b), families)[0],
        "unscored": {"a": _missing(a), "b": _missing(b)},
        "ceiling": ceiling(stub, c),
    }


def told(c: Comparison, p_holm: float | None, largest: float = 1.0) -> Record:
    """What compare.json says of a difference, which is at most `largest`."""
    return {
        "difference": c.difference,
        "low": None if c.low is None else max(-largest, c.low),
        "high": None if c.high is None else min(largest, c.high),
        "p": c.p,
        "p_holm": p_holm,
        "n_pairs": c.n_pairs,
        "by_seed": list(c.by_seed),
        "detectable": smallest_found((c.difference, c.low, c.high), c.seeds, largest),
        "reason": c.reason,
    }


def _missing(by_seed: BySeed) -> int:
    return sum(value is None for of_seed in by_seed for value in of_seed.values())


def _cell(by_seed: BySeed, both: Sequence[set[str]], families: Mapping[str, str]) -> Record:
    """The rate of one run over what is scored in both."""
    kept = [{item: of_seed[item] for item in items_} for of_seed, items_ in zip(by_seed, both, strict=True)]
    clusters = clusters_of({item for of_seed in kept for item in of_seed}, families)[1]
    e = arm_rate(kept, unit="problem" if clusters is None else "family", clusters=clusters)
    return {"estimate": e.estimate, "low": e.low, "high": e.high}


def _by_family(ps: Sequence[float | None], of: Sequence[object]) -> list[float | None]:
    """Holm's p within each family."""
    adjusted: list[float | None] = [None] * len(ps)
    for family in dict.fromkeys(of):
        places = [i for i, its in enumerate(of) if its == family]
        for i, p in zip(places, holm([ps[i] for i in places]), strict=True):
            adjusted[i] = p
    return adjusted


def named_in(config: Json) -> dict[tuple[str, ...], Compare]:
    """The comparisons that a study named, by what they compare; not those over training, and of no form that is not known here."""
    found: dict[tuple[str, ...], Compare] = {}
    for one in items(mapping(config, "study_config").get("compare")):
        try:
            named = Compare.model_validate(one)
        except (ValidationError, ConfigError):
            continue
        if named.over == "end":
            found[named.arm, named.against, named.what, named.where, named.against_context or ""] = named
    return found


def contrast_records(scores: tuple[Scores, Scores], families: Mapping[str, str], named: Sequence[Compare]) -> list[Record]:
    """For each comparison between arms that both runs name: what it is in A and in B, and the difference of the two."""
    rows = [(c, *_contrast(scores, families, c)) for c in named]
    adjusted = _by_family([of_both.p for _, of_both, *_ in rows], [c.decides for c, *_ in rows])
    return [
        {
            "arm": c.arm,
            "against": c.against,
            "measure": c.what,
            "context": c.where,
            "against_context": c.against_context,
            "unit": c.unit,
            "decides": c.decides,
            "a": _short(of_a),
            "b": _short(of_b),
            **told(of_both, p, 2 * c.largest),
        }
        for (c, of_both, of_a, of_b), p in zip(rows, adjusted, strict=True)
    ]


def _short(c: Comparison) -> Record:
    return {"difference": c.difference, "low": c.low, "high": c.high}


def _contrast(
    scores: tuple[Scores, Scores], families: Mapping[str, str], named: Compare
) -> tuple[Comparison, Comparison, Comparison]:
    """The difference of differences, and that of A and of B alone, over the problems that all four have a score for."""
    keys = (named.arm, named.context, named.measure), (named.against, named.against_context or named.context, named.measure)
    if any(key not in scores[0] for key in keys):
        none = Comparison(None, None, None, None, 0, (), "an arm or its context is not in both runs", "none")
        return none, none, none
    four = [of[key] for of in scores for key in keys]
    common = [{item for item in seed[0] if all(side.get(item) is not None for side in seed)} for seed in zip(*four, strict=True)]
    arm_a, against_a, arm_b, against_b = (
        [{item: bool(seed[item]) for item in had} for seed, had in zip(side, common, strict=True)] for side in four
    )
    both = difference_of(_gaps(arm_b, against_b), _gaps(arm_a, against_a), families, kind="mean")
    return both, difference_of(arm_a, against_a, families), difference_of(arm_b, against_b, families)


def _gaps(arm: Sequence[Mapping[str, bool]], against: Sequence[Mapping[str, bool]]) -> list[dict[str, float]]:
    """What one arm has over the other, -1 to 1, by item."""
    return [{i: float(x[i]) - float(y[i]) for i in x} for x, y in zip(arm, against, strict=True)]
