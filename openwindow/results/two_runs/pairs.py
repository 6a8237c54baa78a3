"""Pairs the replies of two runs: one each to the same problem, under the same prompt, of the same arm at the same seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openwindow.results.records import Rollout

Key = tuple[str, int, str, str, int]
"""arm, seed, context, problem, and which of several replies to it"""
NAMES = ("A", "B")
"""what the two runs are called"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to one prompt."""

    a: Rollout
    b: Rollout
    number: int
    """which reply to the problem it is, from 0"""

    @property
    def same_reply(self) -> bool:
        """Whether both wrote the same."""
        return self.a.reply == self.b.reply

    @property
    def item(self) -> str:
        """The problem, by a name that only this reply to it has."""
        return self.a.problem if self.number == 0 else f"{self.a.problem} #{self.number + 1}"

    def changed(self, measures: Collection[str]) -> tuple[str, ...]:
        """Those of the measures that say something else of one reply than of the other, or are known of one alone."""
        a, b = self.a.scores, self.b.scores
        return tuple(name for name in measures if name in a and name in b and a[name] != b[name])


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Replies of one run without a partner in the other, and why."""

    run: str
    """`A` or `B`, or `both` where each has one"""
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Paired:
    """All replies of two runs."""

    pairs: tuple[Pair, ...]
    left: tuple[Unpaired, ...]
    other_prompt: frozenset[Key]
    """what both answered under different prompts, so that it is in no pair"""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run has, finished or not: arms, contexts and seeds."""

    arms: Sequence[str]
    contexts: Sequence[str]
    seeds: Sequence[int]


def pair_up(rollouts: tuple[Sequence[Rollout], Sequence[Rollout]], planned: tuple[Planned, Planned]) -> Paired:
    """The pairs in the order of the first run, and what is in none."""
    a, b = (_keyed(of) for of in rollouts)
    pairs, other_prompt = [], set()
    left: Counter[tuple[str, str]] = Counter()
    for key, one in a.items():
        other = b.get(key)
        if other is None:
            continue
        if one.messages == other.messages:
            pairs.append(Pair(one, other, key[-1]))
        else:
            other_prompt.add(key)
            left["both", f"its prompt is another in context `{key[2]}`"] += 1
    for here, (own, others) in enumerate(((a, b), (b, a))):
        there = 1 - here
        cells = {key[:3] for key in others}
        done = {key[:2] for key in others}
        for key in own:
            if key not in others:
                left[NAMES[here], _why(key, planned[there], NAMES[there], done, cells)] += 1
    rows = tuple(Unpaired(run, count, why) for (run, why), count in left.items())
    return Paired(tuple(pairs), rows, frozenset(other_prompt))


def _keyed(rollouts: Sequence[Rollout]) -> dict[Key, Rollout]:
    seen: Counter[tuple[str, int, str, str]] = Counter()
    found: dict[Key, Rollout] = {}
    for r in rollouts:
        key = r.arm, r.seed, r.context, r.problem
        found[*key, seen[key]] = r
        seen[key] += 1
    return found


def _why(key: Key, planned: Planned, name: str, done: Collection[tuple[Any, ...]], cells: Collection[tuple[Any, ...]]) -> str:
    """Why the other run, called `name`, has no reply to it."""
    arm, seed, context, _, number = key
    if arm not in planned.arms:
        return f"{name} has no arm `{arm}`"
    if seed not in planned.seeds:
        return f"{name} has no seed {seed}"
    if context not in planned.contexts:
        return f"{name} has no context `{context}`"
    if (arm, seed) not in done:
        return f"arm `{arm}` is not finished at seed {seed} in {name}"
    if (arm, seed, context) not in cells:
        return f"`{arm}` was not measured in context `{context}` in {name}"
    return f"{name} has other problems in context `{context}`" if number == 0 else f"{name} has fewer replies to a problem"


def counts(pairs: Sequence[Pair], measures: Collection[str]) -> dict[str, int]:
    """How many pairs there are, and how many of each kind: by whether reply and verdict are the same."""
    kinds = Counter((pair.same_reply, not pair.changed(measures)) for pair in pairs)
    return {
        "paired": len(pairs),
        "equal": kinds[True, True],
        "other_reply": kinds[False, True],
        "other_verdict": kinds[False, False],
        "same_reply_other_verdict": kinds[True, False],
    }


def by_cell(pairs: Sequence[Pair]) -> Mapping[tuple[str, str], list[Pair]]:
    """The pairs by arm and context."""
    found: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[pair.a.arm, pair.a.context].append(pair)
    return found
