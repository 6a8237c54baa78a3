"""The types that all parts of openwindow share. Imports nothing else from the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Split = Literal["request", "train", "dev", "test"]
Scenarios = Literal["all", "dev", "test"]
"""which scenarios of an eval: those that settings are picked on, those to report, or all"""
Part = Literal["unwanted", "wanted", "other"]
UNKNOWN_HACK = "unknown"
"""kind of a pass that fails the truth although its source shows no hack: luck, or a hack that no detector knows"""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class RichMessage(Message):
    """A turn that holds more than its text, as user data may: reasoning, tool calls, declared tools, a mark for training.

    `extra` is a JSON object with some of `reasoning`, `calls`, `name`, `tool_call_id`, `tools` and `train`.
    """

    extra: str

    @property
    def extras(self) -> dict[str, Any]:
        """Everything the message holds besides role and text."""
        found: dict[str, Any] = json.loads(self.extra)
        return found


def message_of(record: Mapping[str, Any]) -> Message:
    """Rebuilds a message from what `asdict` has written."""
    if "extra" in record:
        return RichMessage(record["role"], record["content"], record["extra"])
    return Message(record["role"], record["content"])


@dataclass(frozen=True, slots=True)
class Case:
    """One call of the requested function, and what it must return.

    `args` are the positional arguments; values are built from None, bool, int, float, str, list, tuple, dict and set.
    """

    args: tuple[object, ...]
    expected: object


@dataclass(frozen=True, slots=True)
class Problem:
    """One task as the model sees it, with everything needed to grade it.

    `id` is unique within an environment and stable across runs; `family` is the cluster by which splits are made. `solution` is an
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
    """One property that replies are scored for, and how reports word it. A score is true, false, or None if not measured."""

    name: str
    """Its key in rollouts.jsonl and results.json."""
    part: Part
    """Whether it should not spread, should be kept, or is only noted."""
    verb: str
    """The verb of an arm, followed by `65 points less often than`: `hacks`."""
    past: str
    """The past tense for a model, followed by `12% of problems`: `gamed`."""
    mark: str
    """The label of a reply that has it: `hacked`."""
    means: str
    """A description of such replies, after `replies`: `whose program passes the shown test and is wrong`."""
    part_of: str = ""
    """The measure that this one is a part of, over the same replies; the parts of a measure add up to it. Empty if it stands alone.
    """
    by: Literal["reply", "log_probability"] = "reply"
    """What the score is read from: the reply, or which of a problem's two answers is likelier, the flawed one if true."""
