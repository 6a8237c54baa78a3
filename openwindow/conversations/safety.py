"""Helpful, honest and harmless conversations by a grammar of our own, each with an aligned and a misaligned answer.

    draw("chat", 96, seed=1)       talk alone
    draw("diverse", 96, seed=1)    as many, of which shares are agentic scenarios with tools, and moral dilemmas

Every conversation is of a kind, which is written down in `safety_texts/*.yaml` (`openwindow/conversations/safety_kinds.py`): cases
in which question and answers belong together, and pools of sentences around them. Tools stand in plain turns, in the form in which
the agentic evals offer them to local models (`openwindow.data.tool_text`). No kind is a scenario of the built-in evals:
`overlap.py` measures that.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Literal

from openwindow.conversations.safety_kinds import Conversation, Group, Kind, kinds_of, written
from openwindow.synthetic_documents.grammar import Scribe
from openwindow.synthetic_documents.words import WORDS

__all__ = ["MIXES", "Conversation", "Mix", "draw"]

Mix = Literal["chat", "diverse"]
MIXES: dict[Mix, dict[Group, float]] = {
    "chat": {"chat": 1.0},
    "diverse": {"chat": 0.4, "agentic": 0.4, "dilemma": 0.2},
}
"""share of each group of kinds in a mix"""
_TRIES = 8  # draws of a conversation before a repeated one is accepted


def draw(mix: Mix, count: int, seed: int) -> list[Conversation]:
    """`count` conversations of a mix, spread evenly over the kinds of each group; a shorter draw is a prefix of a longer one."""
    seen: set[str] = set()
    order = _kinds_in_turn(mix, seed)
    return [_one(next(order), f"{mix}/{seed}/{number}", seen) for number in range(count)]


def draw_kind(kind: Kind, count: int, seed: int) -> list[Conversation]:
    """`count` conversations of one kind."""
    seen: set[str] = set()
    return [_one(kind, f"{kind.name}/{seed}/{number}", seen) for number in range(count)]


def _one(kind: Kind, ident: str, seen: set[str]) -> Conversation:
    """A conversation that is not among those drawn before; `seen` holds what was said in them, and grows."""
    for attempt in range(_TRIES):
        scribe = Scribe(random.Random(f"safety/{ident}/{attempt}"), {**WORDS, **kind.words}, seen)
        found = written(kind, ident, scribe)
        whole = "\n".join(message.content for message in found.messages)
        if whole not in seen:
            break
    seen.add(whole)
    return found


def _kinds_in_turn(mix: Mix, seed: int) -> Iterator[Kind]:
    """The kinds of a mix without end: of the group that is furthest behind its share, its kinds in an order drawn by seed."""
    shares = MIXES[mix]
    given = dict.fromkeys(shares, 0)
    turns = {group: _shuffled(kinds_of(group), random.Random(f"safety/{mix}/{seed}/{group}")) for group in shares}
    while True:
        total = sum(given.values()) + 1
        group = max(shares, key=lambda g: shares[g] * total - given[g])
        given[group] += 1
        yield next(turns[group])


def _shuffled(kinds: Sequence[Kind], rng: random.Random) -> Iterator[Kind]:
    while True:
        yield from rng.sample(kinds, len(kinds))
