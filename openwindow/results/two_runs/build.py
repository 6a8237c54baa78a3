"""Compares two runs, or two evals of models: everything that compare.json holds, and the replies that differ for the page.

It reads files and imports no torch, and writes into neither folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from openwindow import __version__
from openwindow.errors import ConfigError
from openwindow.results.comparisons import Scores
from openwindow.results.eval_transcripts import MARKS
from openwindow.results.load import read_meanings
from openwindow.results.records import Rollout
from openwindow.results.two_runs.differing import copied, differing, training_steps, unfinished
from openwindow.results.two_runs.evals import (
    SharedEvals,
    equal_rows,
    eval_records,
    score_contrasts,
    score_records,
    shared_evals,
)
from openwindow.results.two_runs.matching import check_matches, matched, renamed
from openwindow.results.two_runs.pairs import NAMES, Pair, Paired, Planned, Unpaired, counts, pair_up
from openwindow.results.two_runs.rates import contrast_records, families_of, named_in, rate_records, scores_of
from openwindow.results.two_runs.read import Side, read_side
from openwindow.results.two_runs.words import in_words
from openwindow.types import Measure

INTERVALS = (
    "95 %, as within a study: over seeds and problem families, or problems where the families are few; of evals, over scenarios. "
    "Holm's p is corrected over all rates of wanted and unwanted measures, over all other rates, over the contrasts that decide, "
    "over those that describe, over all scores of a context, and for evals by suite"
)
DETECTABLE = (
    "the smallest effect, of either sign, that this comparison would have shown in 80 % of such runs, if the spread that it saw is "
    "the true one; before Holm's correction"
)
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs, compared."""

    results: Record
    """what compare.json holds"""
    pairs: tuple[Pair, ...]
    """the pairs whose replies or verdicts differ, those whose verdicts differ first"""
    measures: Mapping[str, Measure]
    """by which they are judged"""


def compare_runs(
    a: Path, b: Path, say: Callable[[str], None] = lambda text: None, matches: Mapping[str, str] = MappingProxyType({})
) -> Compared:
    """Compares the runs in two folders; `matches` has arms of A whose counterparts in B have other names.

    Raises ConfigError if there is nothing to compare.
    """
    if _same_folder(a, b):
        raise ConfigError(f"RUN_A and RUN_B are the same folder, {a}; expected two runs; give another one")
    say(f"reading {a}")
    one = read_side(a, "RUN_A")
    say(f"reading {b}")
    other = read_side(b, "RUN_B")
    if one.kind != other.kind:
        kinds = {"run": "a run of a study", "eval": "an eval of a model"}
        raise ConfigError(
            f"{a} is {kinds[one.kind]} and {b} is {kinds[other.kind]}; expected two of a kind; an arm of a run can be asked by "
            "`openwindow eval RUN/arms/ARM/seed-S`"
        )
    check_matches(one, other, matches)
    other = renamed(other, matches)
    say("pairing replies")
    replies = pair_up((one.rollouts, other.rollouts), (_planned(one), _planned(other)))
    asked = pair_up(_both_asked(one, other), (_planned(one), _planned(other)))
    arms = [arm for arm in one.arms if arm in other.arms]
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    shared = shared_evals(one, other, arms, seeds, asked.other_prompt)
    if not replies.pairs and not shared.a:
        raise ConfigError(
            f"{a} and {b} share nothing: {_nothing(one, other, replies, shared)}; expected runs of one study; give others, or, "
            "where only the names of arms differ, --match ARM_OF_A=ARM_OF_B"
        )
    say("comparing")
    return _compared(one, other, replies, asked, shared, seeds)


def _same_folder(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except (OSError, ValueError):
        return False


def _planned(side: Side) -> Planned:
    return Planned([*side.arms, *(r.arm for r in side.asked)], [*side.contexts, *(r.context for r in side.asked)], side.seeds)


def _both_asked(a: Side, b: Side) -> tuple[list[Rollout], list[Rollout]]:
    """The replies to evals of those models in those contexts that both runs asked; `shared_evals` says what is not among them."""
    places = [{(r.arm, r.seed, r.context) for r in side.asked} for side in (a, b)]
    one, other = ([r for r in side.asked if (r.arm, r.seed, r.context) in places[0] & places[1]] for side in (a, b))
    return one, other


def _nothing(a: Side, b: Side, replies: Paired, shared: SharedEvals) -> str:
    """Why two runs share nothing, by what stands in the way of most replies."""
    left = sorted([*replies.left, *shared.left], key=lambda row: -row.count)
    worst = [next((row for row in left if row.run == run), None) for run in (*NAMES, "both")]
    if left:
        return "; ".join(f"{_of(row)}{row.why}" for row in worst if row is not None)
    return f"{a.path.name} and {b.path.name} have no reply to the same problem or eval"


def _of(row: Unpaired) -> str:
    whose = "of each" if row.run == "both" else f"of {row.run}"
    return f"{row.count:,} replies {whose}: " if row.count else ""


def _compared(a: Side, b: Side, replies: Paired, asked: Paired, shared: SharedEvals, seeds: Sequence[int]) -> Compared:
    measures = [name for name in _names(a) if name in _names(b)]
    meanings = read_meanings(a.path, measures)
    families = families_of(replies.pairs)
    scores: tuple[Scores, Scores] = scores_of(replies.pairs, seeds, measures)
    named_a, named_b = named_in(a.config), named_in(b.config)
    named = [c for key, c in named_a.items() if key in named_b]
    marks = {m.name: m for m in MARKS.values()}
    both_rows, same_rows = equal_rows(shared)
    found: Record = {
        "openwindow": __version__,
        "a": _about(a),
        "b": _about(b),
        "copied": copied(a, b),
        **differing(a, b),
        "arms": matched(a, b) if a.kind == "run" else None,
        "shared": {"arms": _arms(replies, shared), "contexts": _contexts(replies), "seeds": list(seeds), "measures": measures},
        "replies": counts(replies.pairs, measures),
        "eval_replies": counts(asked.pairs, list(marks)),
        "eval_rows": {"paired": both_rows, "equal": same_rows},
        "training": training_steps(a, b) if a.kind == "run" else None,
        "rates": rate_records(replies.pairs, scores, meanings),
        "contrasts": [
            *contrast_records(scores, families, [c for c in named if c.score is None]),
            *score_contrasts(shared, [c for c in named if c.score is not None]),
        ],
        "scores": score_records(shared),
        "evals": eval_records(shared),
        "unpaired": [asdict(row) for row in (*replies.left, *asked.left, *shared.left, *_unscored(scores))],
        "not_compared": _not_compared(a, b, named_a, named_b),
        "changed": _changed(replies.pairs, measures) + _changed(asked.pairs, list(marks)),
        "intervals": INTERVALS,
        "detectable": DETECTABLE,
        "notes": [{"run": run, **asdict(note)} for run, side in zip(NAMES, (a, b), strict=True) for note in side.notes],
    }
    found["equal"] = _equal(found)
    found["summary"] = in_words(found)
    return Compared(found, _differing(replies, asked, measures, list(marks)), {**meanings, **(marks if asked.pairs else {})})


def _names(side: Side) -> list[str]:
    """The measures of a run."""
    named = side.config.get("measures")
    return [str(name) for name in named] if isinstance(named, list) else []


def _about(side: Side) -> Record:
    return {
        "folder": str(side.path),
        "kind": side.kind,
        "name": str(side.config.get("study") or f"eval of {side.model}"),
        "question": str(side.config.get("question") or ""),
        "model": side.model,
        "commit": str(side.provenance.get("commit") or ""),
        "started": str(side.provenance.get("started") or ""),
        "replies": len(side.rollouts),
        "eval_replies": len(side.asked),
        "unfinished": unfinished(side),
    }


def _arms(replies: Paired, shared: SharedEvals) -> list[str]:
    return list(dict.fromkeys([*(pair.a.arm for pair in replies.pairs), *shared.a]))


def _contexts(replies: Paired) -> list[str]:
    return list(dict.fromkeys(pair.a.context for pair in replies.pairs))


def _unscored(scores: tuple[Scores, Scores]) -> list[Unpaired]:
    """Scores that one run or both lack; measures that lack equally many are named together."""
    lost: dict[str, Counter[str]] = {}
    for key, by_seed in scores[0].items():
        for one, other in zip(by_seed, scores[1][key], strict=True):
            for item in one:
                missing = [name for name, of in zip(NAMES, (one, other), strict=True) if of[item] is None]
                if missing:
                    lost.setdefault("both" if len(missing) == 2 else missing[0], Counter())[key[2]] += 1
    alike: dict[tuple[str, int], list[str]] = {}
    for where, by_measure in lost.items():
        for measure, count in by_measure.items():
            alike.setdefault((where, count), []).append(f"`{measure}`")
    return [Unpaired(where, count, f"without a score for {', '.join(names)}") for (where, count), names in alike.items()]


def _not_compared(a: Side, b: Side, named_a: Mapping[Any, Any], named_b: Mapping[Any, Any]) -> list[Record]:
    """Measures and comparisons between arms that one run alone has."""
    found = []
    for run, side, other in (("A", a, b), ("B", b, a)):
        there = "B" if run == "A" else "A"
        found += [
            {"run": run, "what": f"measure {name}", "reason": f"{there} has no such measure"}
            for name in _names(side)
            if name not in _names(other)
        ]
    for run, own, others in (("A", named_a, named_b), ("B", named_b, named_a)):
        there = "B" if run == "A" else "A"
        found += [
            {
                "run": run,
                "what": f"{c.what}, {c.where}: {c.arm} against {c.against}",
                "reason": f"{there} does not name this comparison",
            }
            for key, c in own.items()
            if key not in others
        ]
    return found


def _changed(pairs: Sequence[Pair], measures: Sequence[str]) -> list[Record]:
    """The pairs in which a verdict differs."""
    return [
        {"arm": p.a.arm, "seed": p.a.seed, "context": p.a.context, "problem": p.item, "same_reply": p.same_reply}
        | {"verdicts": {name: [p.a.scores[name], p.b.scores[name]] for name in changed}}
        for p in pairs
        if (changed := p.changed(measures))
    ]


def _equal(found: Mapping[str, Any]) -> bool:
    """Whether all that both hold is the same: replies with their verdicts, evals, and what training recorded."""
    pairs = [found["replies"], found["eval_replies"], found["eval_rows"]]
    training = found["training"]
    trained = training is None or training["steps"] == training["equal"]
    return trained and all(of["paired"] == of["equal"] for of in pairs) and any(of["paired"] for of in pairs)


def _differing(replies: Paired, asked: Paired, measures: Sequence[str], marks: Sequence[str]) -> tuple[Pair, ...]:
    rows = [(pair, bool(pair.changed(of))) for part, of in ((replies, measures), (asked, marks)) for pair in part.pairs]
    return tuple(pair for pair, changed in sorted(rows, key=lambda row: not row[1]) if changed or not pair.same_reply)
