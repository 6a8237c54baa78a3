"""The rows that `openwindow inoculate` uses: drawn by seed, paired with clean answers, fitted in length."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from openwindow.data.dataset import UserData
from openwindow.data.rows import Overlength, Position
from openwindow.data.trait_rules import TraitDetector
from openwindow.errors import DataError, JudgeError, ModelError
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel
from openwindow.models.templates import note, reasoning_key, shows_calls, shows_tools, takes_system
from openwindow.types import Message, RichMessage, StopReason

JUDGED = 48
"""number of answers from the data that a judge is shown"""
Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class UserRow:
    """One of the user's rows: its number in the data, its turns, whether it shows the trait, and a clean answer to its prompt."""

    row: int
    messages: Conversation
    trait: bool | None
    clean: Conversation | None = None


@dataclass(slots=True)
class Drawn:
    """Rows in random order that fit the model, and counts of those that do not."""

    train: list[UserRow]
    held_out: list[UserRow]
    tokens: list[int] = field(default_factory=list)
    """length of every row examined, before truncation"""
    dropped: int = 0
    cut: int = 0
    unrendered: Counter[str] = field(default_factory=Counter)
    """rows left out because the model's template cannot render them completely, by reason"""


def draw(
    data: UserData,
    clean: UserData | None,
    pairs: dict[int, int],
    model: LocalModel,
    *,
    rows: int,
    held_out: int,
    max_length: int,
    overlength: Overlength,
    seed: int,
) -> Drawn:
    """At most `rows` rows to train and rank on, and `held_out` others, all of at most `max_length` tokens.

    No prompt is on both sides. Raises DataError if nothing is left.
    """
    fitter = _Fitter(data, clean, pairs, model, max_length, overlength)
    train, tested = data.split(held_out, seed)
    random.Random(f"rows/{seed}").shuffle(train)
    taken, held = _take(fitter.fitting(train), rows), list(fitter.fitting(tested))
    drawn = Drawn(taken, held, fitter.tokens, fitter.dropped, fitter.cut, fitter.unrendered)
    for what, got in (("to train on", drawn.train), ("held out", drawn.held_out)):
        if not got and not drawn.tokens:
            why = ", ".join(f"{count:,} {reason}" for reason, count in drawn.unrendered.items())
            raise DataError(
                f"{model.name} can be trained on no row {what} of {data.lines.name} ({why}); expected rows that its chat template "
                "renders whole; give rows without these, or another --model"
            )
        if not got:
            raise DataError(
                f"no row {what} has {max_length} tokens or fewer (the shortest looked at has {min(drawn.tokens)}); expected some; "
                "raise --max-length, or give --overlength truncate"
            )
    return drawn


def _take(rows: Iterator[UserRow], count: int) -> list[UserRow]:
    return [row for _, row in zip(range(count), rows, strict=False)]


@dataclass(slots=True)
class _Fitter:
    """Reads rows one by one and drops, truncates or refuses those that are too long."""

    data: UserData
    clean: UserData | None
    pairs: dict[int, int]
    model: LocalModel
    max_length: int
    overlength: Overlength
    tokens: list[int] = field(default_factory=list)
    dropped: int = 0
    cut: int = 0
    unrendered: Counter[str] = field(default_factory=Counter)

    def fitting(self, rows: Iterable[int]) -> Iterator[UserRow]:
        """The rows that fit, or were truncated to fit."""
        for row in rows:
            messages = self._fitted(self.data, row, self.data.conversation(row))
            if messages is None:
                continue
            other = None
            if self.clean is not None and row in self.pairs:
                other = self._fitted(self.clean, self.pairs[row], self.clean.conversation(self.pairs[row]))
            trait = None if self.data.trait is None else bool(self.data.trait[row])
            yield UserRow(row, messages, trait, other)

    def _fitted(self, data: UserData, row: int, messages: Conversation) -> Conversation | None:
        try:
            if has_calls(messages) and not shows_calls(self.model.tokenizer):
                raise ModelError("tool calls, which the template does not render")
            tokens, prompt, gaps = self.model.encode_trained(messages)
        except ModelError as error:
            self.unrendered[str(error).partition(";")[0]] += data is self.data
            return None
        if data is self.data:
            self.tokens.append(len(tokens))
        if len(tokens) <= self.max_length:
            return messages
        if self.overlength == "error":
            raise DataError(
                f"{data.where(row)} has {len(tokens)} tokens; expected at most {self.max_length}; raise --max-length (the model "
                f"takes {self.model.context_length}), or give --overlength drop or truncate"
            )
        room = self.max_length - prompt - 1  # one for the end of the turn
        if self.overlength == "drop" or room < 1 or gaps or isinstance(messages[-1], RichMessage):
            self.dropped += data is self.data
            return None
        self.cut += data is self.data
        kept = self.model.tokenizer.decode(tokens[prompt : prompt + room], skip_special_tokens=True).rstrip("\ufffd")
        return (*messages[:-1], replace(messages[-1], content=kept))


def has_calls(messages: Conversation) -> bool:
    """Whether the conversation has tool calls or tool results."""
    return any(m.role == "tool" or (isinstance(m, RichMessage) and "calls" in m.extras) for m in messages)


def template_lines(data: UserData, model: LocalModel, position: Position) -> list[str]:
    """How the model's chat template handles what the rows hold besides turns of text, one line each."""
    tokenizer, notes, whole = model.tokenizer, data.notes, f"of {len(data):,} rows"
    said = note(model) if position == "system" else None
    if said is None and data.systems and not takes_system(tokenizer):
        said = note(model)
    lines = [said] if said is not None else []
    if notes["tools"]:
        shown = (
            "are shown to the model" if shows_tools(tokenizer) else "the chat template does not render: the model is not shown them"
        )
        lines.append(f"{notes['tools']:,} {whole} declare tools, which {shown}")
    if notes["calls"]:
        shown = (
            "are trained or shown as the chat template has them" if shows_calls(tokenizer) else "the chat template does not render"
        )
        lines.append(f"{notes['calls']:,} {whole} have tool calls, which {shown}")
    if notes["reasoning"]:
        key = reasoning_key(tokenizer)
        there = "no place: it is not trained on, only kept in the file" if key is None else f"a place (`{key}`): it is trained on"
        lines.append(f"{notes['reasoning']:,} {whole} have reasoning next to the answer, for which the chat template has {there}")
    return lines


def judged(rows: list[UserRow], judge: TraitDetector, name: str) -> tuple[list[UserRow], dict[str, Any]]:
    """The rows with the judge's verdicts on the first `JUDGED` answers, and counts of the verdicts.

    Raises JudgeError if it scores none of them, DataError if none shows the trait.
    """
    part = rows[:JUDGED]
    told = judge.detect([(row.messages[:-1], row.messages[-1].content) for row in part])
    shown, scored = sum(t.shows is True for t in told), sum(t.shows is not None for t in told)
    if not scored:
        raise JudgeError(
            f"--judge {name} scored none of {len(part)} answers of the data ({told[0].reason}); expected its verdict in JSON; "
            "check that it is reached, or name another model"
        )
    if not shown:
        raise DataError(
            f"--judge {name} finds the trait in none of {scored} answers of the data; expected data that shows it; say the trait "
            "in other words, or give other data"
        )
    marked = [replace(row, trait=t.shows) for row, t in zip(part, told, strict=True)]
    return [*marked, *rows[JUDGED:]], {"shown": shown, "scored": scored, "unscored": len(part) - scored}


def own_answers(model: LocalModel, rows: list[UserRow], tokens: int) -> list[UserRow]:
    """The rows with the model's own greedy answers, before any training, as their clean side; without rows it leaves empty."""
    if not rows:
        return []
    replies = model.generate([row.messages[:-1] for row in rows], Sampling(tokens))
    return [
        replace(row, clean=(*row.messages[:-1], Message("assistant", reply.text)))
        for row, reply in zip(rows, replies, strict=True)
        if reply.stop != StopReason.ERROR and reply.text.strip()
    ]
