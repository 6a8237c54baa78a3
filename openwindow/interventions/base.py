"""What an intervention is: a change to training that is meant to keep a flaw from spreading.

A new one is one file with a subclass of `Intervention` that has one of three methods, and one line in `INTERVENTIONS`
(`openwindow/interventions/__init__.py`). A study also takes an object of a class that is not listed there.

    on_rows      changes the rows of supervised fine-tuning
    on_prompts   changes the prompts that rollouts are sampled and trained under
    on_rewards   changes what rollouts earn, and which of them are learned from
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from openwindow.data.rows import Row
from openwindow.interventions.rewards import Paid, Record
from openwindow.training.config import GRPO, SFT
from openwindow.types import Message

INTERVENTION_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Intervention(BaseModel):
    """The configuration of an intervention; frozen, and every field is written to the run folder."""

    model_config = INTERVENTION_CONFIG

    kind: str
    """Names the intervention in configurations; give it a default, such as `kind: Literal["mine"] = "mine"`."""

    def check(self, train: SFT | GRPO) -> None:
        """Raises ConfigError if it would change nothing, or cannot work, under this training."""

    def check_kinds(self, kinds: Sequence[str]) -> None:
        """Raises ConfigError for kinds of rows that the environment does not have; `kinds` are those it has."""

    @property
    def detects(self) -> str | None:
        """The detector of hacks that it uses, in words, or None. Its flags are compared with execution."""
        return None


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompt that a problem's rollouts are sampled under, and the one that they are trained under."""

    sampled: tuple[Message, ...]
    trained: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Asking:
    """What a change of prompts may depend on."""

    problem: str
    """The problem's id."""
    hint: str
    """What the environment says about the open loopholes."""
    seed: int
    own: str | None = None
    """The system message that the model's template adds by itself (`openwindow.data.rows.place`)."""


@runtime_checkable
class RowIntervention(Protocol):
    """A change of training rows."""

    def on_rows(self, rows: Sequence[Row], seed: int, own: str | None = None) -> list[Row]:
        """The rows to train on instead of `rows`; equal for equal seeds. `own` as in `openwindow.data.rows.place`."""
        ...


@runtime_checkable
class PromptIntervention(Protocol):
    """A change of the prompts of rollouts."""

    def on_prompts(self, prompts: Prompts, asking: Asking) -> Prompts:
        """The prompts of one problem instead of `prompts`; equal for equal problems and seeds."""
        ...


@runtime_checkable
class RewardIntervention(Protocol):
    """A change of rewards."""

    def on_rewards(self, records: Sequence[Record], given: Sequence[Paid], step: int, seed: int) -> list[Paid]:
        """What each of the step's rollouts earns instead of `given`, in the same order; steps count from 0."""
        ...
