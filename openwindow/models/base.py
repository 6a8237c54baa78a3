"""What a model is to the rest of openwindow: something that answers conversations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from openwindow.types import Message, StopReason

Conversation = Sequence[Message]
Progress = Callable[[int], None]
Precision = Literal["auto", "bf16", "fp32"]
"""of a model's weights; `auto` is bf16 where the device multiplies it in hardware"""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer: its text, why it ended, its length in tokens (the end token not counted), and its prompt's where known."""

    text: str
    stop: StopReason
    tokens: int
    prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How replies are drawn.

    `temperature` 0 is greedy; `max_new_tokens` is the length limit in tokens; `batch_size` the number of replies decoded
    together; `seed` fixes the draws.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    batch_size: int = 64
    seed: int = 0


class Model(Protocol):
    """Anything that answers conversations."""

    @property
    def name(self) -> str:
        """How the model was asked for."""
        ...

    def generate(self, conversations: Sequence[Conversation], sampling: Sampling, progress: Progress | None = None) -> list[Reply]:
        """One reply per conversation, in order; `progress` is called with the number of replies newly finished."""
        ...
