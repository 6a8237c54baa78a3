"""Rows of supervised data: a conversation, where it came from, and what an intervention did to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from openwindow.types import Message

Position = Literal["system", "user_prefix", "user_suffix"]


@dataclass(frozen=True, slots=True)
class Row:
    """One training conversation; its last turn is the assistant's.

    `kind` is `honest` or `gamed`; `instruction` is the text that an intervention or a data set inserted, None if none.
    """

    messages: tuple[Message, ...]
    kind: str
    problem: str
    family: str
    instruction: str | None = None

    def record(self, arm: str, seed: int, stage: str) -> dict[str, Any]:
        """The row as written to the run folder."""
        return {
            "arm": arm,
            "seed": seed,
            "stage": stage,
            "messages": [asdict(m) for m in self.messages],
            "kind": self.kind,
            "problem": self.problem,
            "family": self.family,
            "inoculated": self.instruction is not None,
            "instruction": self.instruction,
        }


def place(messages: Sequence[Message], text: str | None, position: Position, own: str | None = None) -> tuple[Message, ...]:
    """The conversation with `text` in its system message, or before or after its first user message; None changes nothing.

    A system text follows the existing one, or else `own`: the system prompt that the model's template inserts if a conversation has
    none (`openwindow.models.templates.default_of`). Raises ValueError if there is no user turn.
    """
    if not text:
        return tuple(messages)
    turns = list(messages)
    if position == "system":
        if turns and turns[0].role == "system":
            return (replace(turns[0], content=added(turns[0].content, text, position)), *turns[1:])
        return (Message("system", added(own, text, position) if own else text), *turns)
    at = next((i for i, m in enumerate(turns) if m.role == "user"), None)
    if at is None:
        raise ValueError("a conversation without a user turn has no place for a user prefix or suffix")
    turns[at] = replace(turns[at], content=added(turns[at].content, text, position))
    return tuple(turns)


def added(said: str, text: str, position: Position) -> str:
    """The content of a message with `text` inserted."""
    return (
        f"{text}\n{said}" if position == "user_prefix" else f"{said}\n{text}" if position == "user_suffix" else f"{said}\n\n{text}"
    )


def instruct(row: Row, text: str | None, position: Position, own: str | None = None) -> Row:
    """The row with an instruction inserted as `place` does, and recorded."""
    return replace(row, messages=place(row.messages, text, position, own), instruction=text) if text else row
