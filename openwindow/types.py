"""The nouns that every part of openwindow shares. Knows nothing of the rest of the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Split = Literal["request", "train", "dev", "test"]
Part = Literal["unwanted", "wanted", "other"]
UNKNOWN_HACK = "unknown"
"""kind of what passes the proxy, fails the truth and shows no hack: luck, or a hack that nobody knows"""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class RichMessage(Message):
    """A turn that holds more than its text, as a user's data may: reasoning, tool calls, the tools declared, a mark to be trained.

    `extra` is a JSON object with some of `reasoning`, `calls`, `name`, `tool_call_id`, `tools` and `train`.
    """

    extra: str

    @property
    def extras(self) -> dict[str, Any]:
        """What there is beside role and text."""
        found: dict[str, Any] = json.loads(self.extra)
        return found


def message_of(record: Mapping[str, Any]) -> Message:
    """A message as `asdict` has written it."""
    if "extra" in record:
        return RichMessage(record["role"], record["content"], record["extra"])
    return Message(record["role"], record["content"])


@dataclass(frozen=True, slots=True)
class Case:
    """One call of the function asked for, and what it must return.

    `args` are the positional arguments; values are built from None, bool, int, float, str, list, tuple, dict and set.
    """

    args: tuple[object, ...]
    expected: object


@dataclass(frozen=True, slots=True)
class Problem:
    """One task as the model sees it, with what is needed to grade it.

    `id` is unique within an environment and stable across runs; `family` is the cluster that splits are made by. `solution` is an
    honest answer. Programming tasks name their function in `entry_point` and show the test cases in `visible`.
    """

    id: str
    family: str
    statement: str
    entry_point: str = ""
    solution: str = ""
    visible: tuple[Case, ...] = ()


class StopReason(StrEnum):
    """Why a rollout ended."""

    END = "end"  # the model closed its turn
    LENGTH = "length"  # cut off at the token limit: truncated, not finished
    ERROR = "error"  # generation failed; the rollout is recorded and not scored


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that replies are scored for, and the words that say it. A score is true, false, or None where not measured."""

    name: str
    """Its key in rollouts.jsonl and results.json."""
    part: Part
    """Whether it is what should not spread, what should be kept, or only noted."""
    verb: str
    """What an arm does, before `65 points less often than`: `hacks`."""
    past: str
    """What a model did, before `12% of problems`: `gamed`."""
    mark: str
    """What a reply with it is marked as: `hacked`."""
    means: str
    """What such replies are, after `replies`: `whose program passes the shown test and is wrong`."""
    part_of: str = ""
    """The measure that it is a part of, of the same replies; a measure's parts add up to it. Empty for a measure of its own."""
