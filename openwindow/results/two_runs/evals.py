"""The evals that two runs share: every measure of every arm that both asked, its scores, and the contrasts between arms in scores.

A difference is run B minus run A. Measures are tested as within a study (`evals.scoring.families`), scores with Holm's correction
over all of one context. An item whose prompt differs between the runs is in neither, an eval of another version is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from openwindow.evals.contexts import NEUTRAL
from openwindow.evals.score_names import NATS, READOUTS, SCORES, widest
from openwindow.evals.scoring.families import Record, adjusted
from openwindow.evals.scoring.rows import ProbeRow, Row, contexts_of
from openwindow.evals.scoring.scores import Scored, read_two, score_of
from openwindow.evals.scoring.seeds import Asked, by_arm, compared
from openwindow.experiment.compare import Compare
from openwindow.experiment.evals import START as START_UNIT
from openwindow.experiment.evals import arm_unit
from openwindow.results.comparisons import smallest_found
from openwindow.results.eval_transcripts import BEFORE, place_of
from openwindow.results.eval_units import START, Unit, read_unit, replies
from openwindow.results.load import mapping
from openwindow.results.two_runs.pairs import Key, Unpaired
from openwindow.results.two_runs.read import MODEL, Side
from openwindow.stats import holm
from openwindow.stats.combine import Part, sum_p, weighted_sum
from openwindow.stats.seeds import over_seeds

Units = dict[str, list[Unit]]
"""who was asked to their units, in the order of the shared seeds"""


@dataclass(frozen=True, slots=True)
class SharedEvals:
    """What was asked in both runs."""

    about: Mapping[str, Any]
    a: Units
    b: Units
    left: tuple[Unpaired, ...]

    @property
    def contexts(self) -> list[str]:
        """The contexts in which both were asked."""
        of = [{r.context for units in side.values() for u in units for r in (*u.rows, *u.probes)} for side in (self.a, self.b)]
        order = [c for units in self.a.values() for u in units for c in (*contexts_of(u.rows), *contexts_of(u.probes))]
        return [c for c in dict.fromkeys([NEUTRAL, *order]) if c in of[0] & of[1]]


def shared_evals(a: Side, b: Side, arms: Sequence[str], seeds: Sequence[int], other_prompt: frozenset[Key]) -> SharedEvals:
    """Reads what both were asked, without the items whose prompts differ."""
    one, two = _units(a, arms, seeds), _units(b, arms, seeds)
    if START in one and START in two and len(one[START]) != len(two[START]):  # one start for all seeds against one for each
        for own in (one, two):
            own[START] = own[START] * len(seeds) if len(own[START]) == 1 else own[START]
    left = [*_lost("A", one, "B", two, seeds), *_lost("B", two, "A", one, seeds)]
    both = [who for who in one if who in two]
    if not both:
        return SharedEvals({}, {}, {}, tuple(left))
    about, other_evals = _same_evals(_about(a, one), _about(b, two))
    kept = [{who: _kept(who, own[who], about, seeds, other_prompt) for who in both} for own in (one, two)]
    return SharedEvals(about, kept[0], kept[1], (*left, *other_evals))


def _lost(name: str, own: Units, other: str, others: Units, seeds: Sequence[int]) -> list[Unpaired]:
    """What the run `name` was asked and the other one was not: everything, somebody, or somebody at a seed."""
    if own and not others:
        return [Unpaired(name, sum(map(_rows, own.values())), f"no eval was asked in {other}")]
    found = [
        Unpaired(name, _rows(units), f"the evals of {_who(who)} are not there in {other}")
        for who, units in own.items()
        if who not in others
    ]
    return found + [
        Unpaired(name, len(mine.rows), f"the evals of {_who(who)} at seed {seed} are not there in {other}")
        for who, units in own.items()
        if who in others
        for seed, mine, theirs in zip(seeds, units, others[who], strict=False)
        if mine.done and not theirs.done
    ]


def _rows(units: Sequence[Unit]) -> int:
    return sum(len(unit.rows) for unit in units)


def _who(who: str) -> str:
    return "the start" if who == START else "the model" if who == MODEL else f"`{who}`"


def _units(side: Side, arms: Sequence[str], seeds: Sequence[int]) -> Units:
    """Everyone who was asked at one of the seeds or more."""
    if side.unit is not None:
        return {MODEL: [side.unit]}
    whole = read_unit(side.path, START_UNIT)
    start = [whole] if whole.done else [read_unit(side.path, f"{START_UNIT}/seed-{seed}") for seed in seeds]
    found = {START: start} | {arm: [read_unit(side.path, arm_unit(side.own(arm), seed)) for seed in seeds] for arm in arms}
    asked = {who: own for who, own in found.items() if any(unit.done for unit in own)}
    return {who: own for who, own in asked.items() if who == START or not any(unit.done.get("same_as") for unit in own)}


def _about(side: Side, units: Units) -> Mapping[str, Any]:
    """What is known of the evals that were asked."""
    return next((mapping(unit.done, "evals") for own in units.values() for unit in own if unit.done), side.evals)


def _same_evals(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[dict[str, Any], list[Unpaired]]:
    """The evals that are the same in both, and why others are not."""
    left = [Unpaired("A", 0, f"eval {name} was not asked in B") for name in a if name not in b]
    left += [Unpaired("B", 0, f"eval {name} was not asked in A") for name in b if name not in a]
    about = {}
    for name in (name for name in a if name in b):
        versions = a[name].get("version"), b[name].get("version")
        if versions[0] == versions[1]:
            about[name] = a[name]
        else:
            left.append(Unpaired("both", 0, f"eval {name} is version {versions[0]} in A and {versions[1]} in B"))
    return about, left


def _kept(
    who: str, units: Sequence[Unit], about: Mapping[str, Any], seeds: Sequence[int], other_prompt: frozenset[Key]
) -> list[Unit]:
    """The units with the shared evals alone, and without items of other prompts."""
    arm = BEFORE if who == START else who
    lost = {key[:4] for key in other_prompt if key[0] == arm}

    def fits(row: Row | ProbeRow, seed: int) -> bool:
        place = place_of(row.eval, row.context)
        return row.eval in about and not {(arm, seed, place, row.id), (arm, 0, place, row.id)} & lost

    return [
        replace(u, rows=[r for r in u.rows if fits(r, seed)], probes=[p for p in u.probes if fits(p, seed)])
        for u, seed in zip(units, [*seeds] or [0], strict=False)
    ]


def _both(shared: SharedEvals, who: str) -> tuple[Asked, Asked]:
    """What B and A said at the seeds at which both were asked."""
    two = [(b, a) for b, a in zip(shared.b[who], shared.a[who], strict=True) if a.done and b.done]
    return replies([b for b, _ in two]), replies([a for _, a in two])


def eval_records(shared: SharedEvals) -> list[Record]:
    """Every measure of everyone who was asked in both: B minus A, in every context that both have."""
    right = [name for name, about in shared.about.items() if about["measures"] != "misaligned"]
    found: list[Record] = []
    for who in shared.a:
        ours, theirs = _both(shared, who)
        if len(ours):
            found += [row for row in compared(ours, theirs, (who, "A"), right) if row["context"] in shared.contexts]
    return [row | {"suite": row["suite"].rpartition(": ")[2]} for row in adjusted(by_arm(found))]


def score_records(shared: SharedEvals) -> list[Record]:
    """The scores of everyone who was asked in both: B minus A."""
    found: list[Record] = []
    for context in shared.contexts:
        rows = [
            (who, score, readout, score_of(read_two(ours, theirs, shared.about, context, readout), shared.about, score))
            for who in shared.a
            for ours, theirs in [_both(shared, who)]
            if len(ours)
            for readout in READOUTS
            for score in SCORES
        ]
        for (who, score, readout, made), p in zip(rows, holm([made.p for *_, made in rows]), strict=True):
            names = {"arm": who, "score": score, "readout": readout, "context": context}
            found.append(names | _told(made, p, widest(score)))
    return found


def _told(made: Scored, p_holm: float | None, largest: float) -> Record:
    seeds = sum(value is not None for value in made.by_seed)
    limit = largest if made.readout == "behaviour" else float("inf")
    return {
        "difference": made.estimate,
        "p": made.p,
        "p_holm": p_holm,
        "n_pairs": made.pairs,
        "detectable": smallest_found((made.estimate, made.low, made.high), seeds, limit),
        **made.record(),
    }


def score_contrasts(shared: SharedEvals, named: Sequence[Compare]) -> list[Record]:
    """For each comparison of scores that both runs name: what it is in A and in B, and the difference of the two.

    The intervals of the two are combined as if the runs were independent (MOVER), which is too wide where they share scenarios.
    """
    rows = [(c, _contrast(shared, c)) for c in named]
    adjusted_: dict[int, float | None] = {}
    for decides in (True, False):
        places = [i for i, (c, _) in enumerate(rows) if c.decides is decides]
        adjusted_ |= dict(zip(places, holm([rows[i][1]["p"] for i in places]), strict=True))
    return [
        {"arm": c.arm, "against": c.against, "measure": c.what, "context": c.where, "against_context": None}
        | {"unit": c.unit, "decides": c.decides, "p_holm": adjusted_[i], **found}
        for i, (c, found) in enumerate(rows)
    ]


def _contrast(shared: SharedEvals, named: Compare) -> Record:
    made = [_within(own, shared, named) for own in (shared.a, shared.b)]
    told: Record = {name: _ends(of) for name, of in zip(("a", "b"), made, strict=True)}
    one, other = made
    seeds = len(next(iter(shared.a.values()), []))
    empty: Record = dict.fromkeys(("difference", "low", "high", "p", "detectable"))
    empty |= {"n_pairs": 0, "by_seed": [None] * seeds}
    if one is None or other is None:
        return told | empty | {"reason": "an arm was not asked in both runs"}
    lost = next((f"{run}: {of.reason}" for run, of in zip("AB", made, strict=True) if of is not None and of.low is None), None)
    if lost is None and set(one.chosen.weights) != set(other.chosen.weights):
        lost = f"it is made of other evals: {', '.join(one.chosen.weights)} in A and {', '.join(other.chosen.weights)} in B"
    if lost is not None:
        return told | empty | {"reason": lost}
    return told | _combined(one, other, named)


def _ends(made: Scored | None) -> Record:
    if made is None:
        return dict.fromkeys(("difference", "low", "high"))
    return {"difference": made.estimate, "low": made.low, "high": made.high}


def _combined(a: Scored, b: Scored, named: Compare) -> Record:
    """B minus A of two scored differences."""
    parts = [
        Part(float(made.estimate or 0.0), float(made.low or 0.0), float(made.high or 0.0), sign)
        for made, sign in ((b, 1.0), (a, -1.0))
    ]
    estimate, *ends = weighted_sum(parts)
    by_seed = [None if x is None or y is None else x - y for x, y in zip(b.by_seed, a.by_seed, strict=True)]
    limit = 2 * named.largest if named.unit != NATS else float("inf")
    wide = over_seeds(estimate, (ends[0], ends[1]), sum_p(parts), by_seed, min(a.scenarios, b.scenarios), (-limit, limit))
    seeds = sum(value is not None for value in by_seed)
    return {
        "difference": estimate,
        "low": wide.low,
        "high": wide.high,
        "p": wide.p,
        "n_pairs": min(a.pairs, b.pairs),
        "by_seed": by_seed,
        "detectable": smallest_found((estimate, wide.low, wide.high), seeds, limit),
        "reason": None,
    }


def _within(own: Units, shared: SharedEvals, named: Compare) -> Scored | None:
    """A comparison of a score within one run; None if an arm was not asked."""
    if named.arm not in own or named.against not in own or named.score is None:
        return None
    readings = read_two(replies(own[named.arm]), replies(own[named.against]), shared.about, named.eval_context, named.readout)
    return score_of(readings, shared.about, named.score)


def equal_rows(shared: SharedEvals) -> tuple[int, int]:
    """How many rows and probes both have, and how many of them are the same."""
    both = same = 0
    for who, units in shared.a.items():
        for one, other in zip(units, shared.b[who], strict=True):
            for mine, theirs in ((one.rows, other.rows), (one.probes, other.probes)):
                ours = {_key(row): row for row in mine}
                there = {_key(row): row for row in theirs}
                shared_keys = ours.keys() & there.keys()
                both += len(shared_keys)
                same += sum(ours[key] == there[key] for key in shared_keys)
    return both, same


def _key(row: Row | ProbeRow) -> tuple[str, str, str, int]:
    return row.eval, row.context, row.id, row.epoch
