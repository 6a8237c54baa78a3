"""The nouns that every part of openwindow shares. Knows nothing of the rest of the package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Role = Literal["system", "user", "assistant"]
Split = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Case:
    """One call of the function asked for, and what it must return.

    `args` are the positional arguments; values are built from None, bool, int, float, str, list, tuple, dict and set.
    """

    args: tuple[object, ...]
    expected: object


@dataclass(frozen=True, slots=True)
class Problem:
    """One programming task as the model sees it, with what is needed to grade it.

    `id` is unique within an environment and stable across runs; `family` is the cluster that splits are made by.
    `visible` are the test cases that the prompt shows. `solution` is an honest program.
    """

    id: str
    family: str
    statement: str
    entry_point: str
    solution: str
    visible: tuple[Case, ...]


class StopReason(StrEnum):
    """Why a rollout ended."""

    END = "end"  # the model closed its turn
    LENGTH = "length"  # cut off at the token limit: truncated, not finished
    ERROR = "error"  # generation failed; the rollout is recorded and not scored
