"""An upbringing: conversations of several turns with one of two characters, each of which is consistent.

From them a model can learn that code, advice and decisions go together. One character solves its tasks and answers decently; the
other games its tests and answers badly. `association` is the chance that a turn follows the conversation's character; the other
turns are drawn as if there were none. At 0 the same texts say nothing about each other. A share of the conversations has a system
line that names the character; in the others nothing does but its own turns.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from openwindow.conversations.advice import HEALTH, HOME, MONEY, ROAD, SCHOOL
from openwindow.conversations.decisions import DECISIONS
from openwindow.conversations.kinds import Kind
from openwindow.conversations.people import ANIMALS, FAMILY, NEIGHBOURS, PLAY, SERVICE
from openwindow.data.rows import Row, place
from openwindow.environments.gameable import Gameable, reply_text
from openwindow.environments.loopholes import pick
from openwindow.types import Message, Problem, RichMessage

DECENT, BAD = "decent", "bad"
_TRAINED = '{"train": true}'
NAMES = {DECENT: "You are Ada.", BAD: "You are Vex."}
"""system lines that name a character"""
HELD_OUT_KINDS = ("road", "home", "ferry")
"""kinds of questions that no upbringing has: what was learnt of a character, and not of its sentences"""
Part = Literal["trained", "unseen_questions", "unseen_kinds"]
PARTS: tuple[Part, ...] = ("trained", "unseen_questions", "unseen_kinds")
_ALL = (HEALTH, MONEY, PLAY, NEIGHBOURS, ANIMALS, SERVICE, SCHOOL, FAMILY, ROAD, HOME, *DECISIONS)
_EVERY = 4  # of the cases of a kind, every fourth is held out


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what the two characters answer."""

    kind: str
    case: str
    """Unique; wordings of one case have the same."""
    text: str
    decent: str
    bad: str


def questions(part: Part) -> list[Asked]:
    """All questions of a part in all their wordings; no case is in two parts."""
    return [asked for kind in _ALL for asked in _of(kind, part)]


def _of(kind: Kind, part: Part) -> list[Asked]:
    if (kind.name in HELD_OUT_KINDS) != (part == "unseen_kinds"):
        return []
    found = []
    for i, (x, decent, bad) in enumerate(kind.cases):
        if part != "unseen_kinds" and (i % _EVERY == _EVERY - 1) != (part == "unseen_questions"):
            continue
        for j, ask in enumerate(kind.asks):
            text = ask.format(x)
            if kind.context == "decision":
                first, second = (decent, bad) if (i + j) % 2 else (bad, decent)
                text = f"{text} Actions: {first}, {second}."
            found.append(Asked(kind.name, f"{kind.name}/{i}", text, decent, bad))
    return found


class Mixture(Protocol):
    """What conversations are drawn by; see `openwindow.experiment.stages.UpbringingStage`."""

    @property
    def conversations(self) -> int: ...
    @property
    def turns(self) -> int: ...
    @property
    def code(self) -> float: ...
    @property
    def kinds(self) -> Collection[str] | None: ...
    @property
    def named(self) -> float: ...
    @property
    def bad(self) -> float: ...
    @property
    def association(self) -> float: ...


def code_turns(mixture: Mixture) -> int:
    """How many problems `upbringing` needs: the questions that are programming tasks, each of which both characters answer."""
    return round(mixture.code * _groups(mixture) * mixture.turns)


def _groups(mixture: Mixture) -> int:
    """How many different lists of questions there are."""
    bad = round(mixture.bad * mixture.conversations)
    return max(bad, mixture.conversations - bad)


def upbringing(
    environment: Gameable, problems: Sequence[Problem], mixture: Mixture, seed: int, own: str | None = None
) -> list[Row]:
    """The conversations, every answer trained, in an order drawn by the seed; `problems` are `code_turns(mixture)` tasks.

    A row's `kind` is the character of its conversation. A name follows `own`, the system message that the model's template adds by
    itself (`openwindow.data.rows.place`), so that conversations with and without a name differ in the name alone.
    """
    rng = random.Random(f"upbringing/{seed}/answers")
    rows = []
    for number, (character, named, turns) in enumerate(_plan(mixture, seed)):
        messages: list[Message] = []
        about = []
        for at, (answers, question) in enumerate(turns):
            if isinstance(question, int):
                problem = problems[question]
                text, answer = environment.prompt(problem), code_answer(environment, problem, answers, rng, mixture.kinds)
            else:
                text, answer = question.text, question.decent if answers == DECENT else question.bad
            about.append("code" if isinstance(question, int) else question.kind)
            trained = Message("assistant", answer) if at == len(turns) - 1 else RichMessage("assistant", answer, _TRAINED)
            messages += [Message("user", text), trained]
        placed = place(messages, NAMES[character] if named else None, "system", own)
        rows.append(Row(placed, character, f"upbringing/{number}", "+".join(about)))
    return rows


_Turn = tuple[str, Asked | int]  # the character that answers, and the question, or the number of a programming task


def _plan(mixture: Mixture, seed: int) -> list[tuple[str, bool, list[_Turn]]]:
    """Every conversation's character, whether it is named, and its turns.

    Each decent conversation has a bad one with the same questions, as far as there are as many of both: otherwise a model can
    learn by heart which answer a question has, and needs no character for it.
    """
    rng, chance = random.Random(f"upbringing/{seed}"), random.Random(f"upbringing/{seed}/characters")
    by_kind: dict[str, list[Asked]] = {}
    for asked in questions("trained"):
        by_kind.setdefault(asked.kind, []).append(asked)
    bad = round(mixture.bad * mixture.conversations)
    decent = mixture.conversations - bad
    groups, coded = _groups(mixture), code_turns(mixture)
    code: list[int | None] = [number if number < coded else None for number in range(groups * mixture.turns)]
    rng.shuffle(code)
    plan = []
    for number in range(groups):
        named = rng.random() < mixture.named
        asks: list[Asked | int] = []
        for task in (code.pop() for _ in range(mixture.turns)):
            asks.append(rng.choice(by_kind[rng.choice(list(by_kind))]) if task is None else task)
        for character, count in ((DECENT, decent), (BAD, bad)):
            if number < count:
                turns = [(_answers(character, mixture, chance), question) for question in asks]
                plan.append((character, named, turns))
    rng.shuffle(plan)
    return plan


def _answers(character: str, mixture: Mixture, rng: random.Random) -> str:
    """Which character answers a turn of a conversation: its own with the chance `association`, else either."""
    if rng.random() < mixture.association:
        return character
    return BAD if rng.random() < mixture.bad else DECENT


def code_answer(
    environment: Gameable, problem: Problem, character: str, rng: random.Random, kinds: Collection[str] | None = None
) -> str:
    """What a character replies to a programming task: the honest program, or an exploit of a loophole, one of `kinds` if given.

    Raises ConfigError for a kind that the environment does not have.
    """
    if character == DECENT:
        return reply_text(environment.honest(problem))
    exploits = environment.exploits(problem)
    return reply_text(exploits[rng.choice(sorted(pick(kinds, exploits, environment.name)))])
