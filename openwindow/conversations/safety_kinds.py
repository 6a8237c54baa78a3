"""Kinds of conversations as YAML files have them, and a conversation written from one.

A kind has *cases*, of which a conversation takes one: names bound to texts that belong together, such as a request and the help
that is offered instead. Around them stand pools of sentences; a turn is one sentence from each of its pools, in order. Texts are
templates of `openwindow.synthetic_documents.grammar`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from openwindow.data.rows import Row
from openwindow.data.tool_text import call_text, described, response_text
from openwindow.errors import DataError
from openwindow.synthetic_documents.grammar import Scribe
from openwindow.types import Message, RichMessage

Group = Literal["chat", "agentic", "dilemma"]
HERE = Path(__file__).parent / "safety_texts"
CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
Pools = tuple[tuple[str, ...], ...]


class ToolKind(BaseModel):
    """A tool on offer."""

    model_config = CONFIG
    name: str = Field(pattern="^[a-z_]+$")
    """Its name."""
    about: str
    """What it does."""
    fields: tuple[str, ...] = ()
    """Names of its arguments, which are texts."""


class Step(BaseModel):
    """One call and what it gives back."""

    model_config = CONFIG
    call: str
    """The tool."""
    arguments: dict[str, str] = {}
    """Templates of its arguments by name."""
    gives: str
    """Template of what comes back."""


class Kind(BaseModel):
    """One kind of conversation."""

    model_config = CONFIG
    name: str = Field(pattern="^[a-z_]+$")
    """Unique among all kinds."""
    about: str
    """What it is, in a few words."""
    cases: tuple[dict[str, str], ...] = Field(min_length=2)
    """Names bound together, one of these for each conversation."""
    bind: dict[str, str] = {}
    """Further names, drawn once for each conversation, in this order."""
    words: dict[str, tuple[str, ...]] = {}
    """Names that are drawn wherever they stand."""
    system: Pools = ()
    """The system message: who the assistant is."""
    earlier: tuple[Pools, ...] = ()
    """Turns before the question, of user and assistant by turns."""
    user: Pools = Field(min_length=1)
    """The question."""
    tools: tuple[ToolKind, ...] = ()
    """Tools on offer."""
    look: tuple[Step, ...] = ()
    """Calls that both answers begin with."""
    right: tuple[Step, ...] = ()
    """Calls of the aligned answer."""
    wrong: tuple[Step, ...] = ()
    """Calls of the misaligned one."""
    aligned: Pools = Field(min_length=1)
    """What the aligned answer says, last of all."""
    misaligned: Pools = Field(min_length=1)
    """The same of the misaligned one."""

    @model_validator(mode="after")
    def _check(self) -> Kind:
        known = {tool.name: set(tool.fields) for tool in self.tools}
        for step in (*self.look, *self.right, *self.wrong):
            if known.get(step.call) != set(step.arguments):
                raise ValueError(
                    f"kind {self.name!r} calls {step.call} with {sorted(step.arguments)}; expected a tool with these fields"
                )
        if len({frozenset(case) for case in self.cases}) > 1:
            raise ValueError(f"kind {self.name!r} has cases with other names than each other; expected the same names in all")
        return self


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation and two ways to go on; `aligned` and `misaligned` are the turns after `prompt`, an answer last."""

    id: str
    kind: str
    prompt: tuple[Message, ...]
    aligned: tuple[Message, ...]
    misaligned: tuple[Message, ...]

    @property
    def messages(self) -> tuple[Message, ...]:
        """With the aligned answer."""
        return (*self.prompt, *self.aligned)

    @property
    def rejected(self) -> tuple[Message, ...]:
        """With the misaligned answer."""
        return (*self.prompt, *self.misaligned)

    def row(self) -> Row:
        """As a row to train on."""
        return Row(self.messages, "safety", self.id, self.kind)

    def record(self, arm: str, seed: int, *, paired: bool) -> dict[str, Any]:
        """As written to the run folder; `paired` with the misaligned answer."""
        rejected = {"rejected": [asdict(m) for m in self.rejected]} if paired else {}
        return {
            "arm": arm,
            "seed": seed,
            "kind": self.kind,
            "id": self.id,
            "messages": [asdict(m) for m in self.messages],
            **rejected,
        }


@cache
def kinds_of(group: Group) -> tuple[Kind, ...]:
    """The kinds of a group, in the order of its file. Raises DataError for a broken file."""
    path = HERE / f"{group}.yaml"
    try:
        found = TypeAdapter(tuple[Kind, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise DataError(
            f"{path} is broken ({str(error).partition(chr(10))[0]}); expected kinds of conversations; fix it"
        ) from error
    return found


def written(kind: Kind, ident: str, scribe: Scribe) -> Conversation:
    """A conversation of the kind, drawn by `scribe`. Raises KeyError for a name that nothing binds."""
    for name, text in scribe.rng.choice(kind.cases).items():
        scribe.bind(name, text)
    for name, text in kind.bind.items():
        scribe.bind(name, text)
    tools = [(tool.name, dict.fromkeys(tool.fields, "string"), tool.about) for tool in kind.tools]
    system = "\n\n".join([text for text in (_turn(kind.system, scribe), described(tools) if tools else "") if text])
    turns = [Message("system", system)] if system else []
    for number, pools in enumerate(kind.earlier):
        turns.append(Message("assistant" if number % 2 else "user", _turn(pools, scribe)))
    prompt = (*turns, Message("user", _turn(kind.user, scribe)))
    look = [(step, _arguments(step, scribe), scribe.expand(step.gives)) for step in kind.look]
    after: list[tuple[Message, ...]] = []
    for steps, pools in ((kind.right, kind.aligned), (kind.wrong, kind.misaligned)):
        more = [(step, _arguments(step, scribe), scribe.expand(step.gives)) for step in steps]
        called = [turn for made in (*look, *more) for turn in _called(*made)]
        after.append((*called, Message("assistant", _turn(pools, scribe))))
    return Conversation(ident, kind.name, prompt, *after)


def _arguments(step: Step, scribe: Scribe) -> dict[str, str]:
    return {name: scribe.expand(text) for name, text in step.arguments.items()}


def _called(step: Step, arguments: dict[str, str], gives: str) -> tuple[Message, Message]:
    """A call, which is trained on, and what it gives back, which is not."""
    call = RichMessage("assistant", call_text(step.call, arguments), json.dumps({"train": True}))
    return call, Message("user", response_text(gives))


def _turn(pools: Sequence[Sequence[str]], scribe: Scribe) -> str:
    """One sentence from each pool."""
    return " ".join([scribe.sentence(pool) for pool in pools])
