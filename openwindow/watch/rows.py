"""One rollout as another trainer wrote it, and how its values are read from the columns of a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from openwindow.files.run_files import finite
from openwindow.types import Message, Role

Json = Mapping[str, Any]
_STEP = re.compile(r"(?:^|[_-])(?:global[_-])?step[_-]?(\d{1,12})(?:\D|$)", re.IGNORECASE)
_ROLES = ("system", "user", "assistant", "tool")


class BadRow(Exception):
    """A row that is no rollout; its text is the reason, equal for rows with the same fault, by which they are counted."""


@dataclass(slots=True)
class Seen:
    """A rollout as the file has it; what the file does not say is None."""

    messages: tuple[Message, ...]
    """The prompt; empty where the file has none."""
    reply: str
    reward: float | None = None
    step: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    """The rewards that the reward is the sum of, by name."""
    problem: str = ""
    """Id of the problem, where there is one."""
    family: str = ""
    """The cluster that the problem belongs to, where there is one."""
    group: str | int = ""
    """What the rollouts of one prompt share within a step; empty: the prompt itself."""
    tokens: int | None = None
    cut: bool | None = None
    """Whether the reply ended at the length limit."""
    failed: str | None = None
    """Why the generation failed; None if it did not."""
    truth: bool | None = None
    """Whether it does the task, by a column of the user's."""
    scores: Mapping[str, bool | None] = field(default_factory=dict)
    """Verdicts that are in the file already, by measure."""
    kinds: tuple[str, ...] = ()
    open_hack: bool | None = None
    reason: str | None = None
    failed_on: str | None = None
    evaluation: bool = False
    """Whether an evaluation drew it, and not the training."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what, as the options name them; None for the form's own."""

    prompt: str | None = None
    reply: str | None = None
    reward: tuple[str, ...] = ()
    step: str | None = None
    problem: str | None = None
    truth: str | None = None

    @property
    def named(self) -> list[tuple[str, str]]:
        """Option and column, for each that is given."""
        single = [("--prompt-column", self.prompt), ("--reply-column", self.reply), ("--step-column", self.step)]
        single += [("--problem-column", self.problem), ("--truth-column", self.truth)]
        return [(option, name) for option, name in single if name] + [("--reward-column", name) for name in self.reward]


def prompt_of(value: object, what: str) -> tuple[Message, ...]:
    """A prompt that is a text or a conversation. Raises BadRow."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (Message("user", value),)
    turns = _turns(value, what)
    return tuple(Message(cast(Role, role if role in _ROLES else "user"), text) for role, text in turns)


def reply_of(value: object, what: str) -> tuple[tuple[Message, ...], str]:
    """A reply that is a text or the turns of one: what came before the last answer of the model, and that answer. Raises BadRow."""
    if isinstance(value, str):
        return (), value
    turns = _turns(value, what)
    last = max((i for i, (role, _) in enumerate(turns) if role == "assistant"), default=len(turns) - 1)
    if last < 0:
        return (), ""
    return tuple(Message(cast(Role, role if role in _ROLES else "user"), text) for role, text in turns[:last]), turns[last][1]


def _turns(value: object, what: str) -> list[tuple[str, str]]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(turn, Mapping) for turn in value):
        raise BadRow(f"{what} is {kind_of(value)}, where a text or a list of messages was expected")
    return [(str(turn.get("role")), text_of(turn.get("content"))) for turn in value]


def text_of(content: object) -> str:
    """The text of a message's content: a text, or parts of which some hold one."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "".join(str(part.get("text") or "") if isinstance(part, Mapping) else str(part) for part in content)
    return ""


def reward_of(record: Json, names: Sequence[str]) -> tuple[float | None, dict[str, float]]:
    """The sum of the columns that hold a number, and each of them; None if none does. Raises BadRow for what is no number."""
    parts: dict[str, float] = {}
    for name in names:
        value = record.get(name)
        if value is None:
            continue
        number = float(value) if isinstance(value, bool) else finite(value)
        if number is None and not (isinstance(value, float) and value != value):
            raise BadRow(f"{name} is {kind_of(value)}, where a number was expected")
        if number is not None:
            parts[name] = number
    return (sum(parts.values()) if parts else None), parts


def step_of(value: object, what: str) -> int | None:
    """A step: a whole number from 0. Raises BadRow."""
    if value is None:
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    number = finite(value)
    if number is None or number < 0 or number != int(number):
        raise BadRow(f"{what} is {kind_of(value)}, where a whole number from 0 was expected")
    return int(number)


def step_of_path(path: Path) -> int | None:
    """The step that a file's name or one of its two folders tells, as in `40.jsonl` and `step_40/train_rollouts.jsonl`."""
    stem = path.name.partition(".")[0]
    if stem.isascii() and stem.isdecimal():
        return int(stem)
    for name in (stem, *[folder.name for folder in path.parents[:2]]):
        if found := _STEP.search(name):
            return int(found[1])
    return None


def truth_of(value: object, what: str) -> bool | None:
    """A verdict: true or false, or 1 or 0. Raises BadRow."""
    if value is None or isinstance(value, bool):
        return value
    number = finite(value)
    if number not in (0, 1):
        raise BadRow(f"{what} is {kind_of(value)}, where true, false, 1 or 0 was expected")
    return number == 1


def kind_of(value: object) -> str:
    """What a JSON value is, in words; of a number that does not fit, the number itself."""
    match value:
        case None:
            return "missing"
        case bool():
            return "true or false"
        case int() | float():
            return f"{value}"[:24]
        case str():
            return "a text"
        case Mapping():
            return "an object"
    return "a list"
