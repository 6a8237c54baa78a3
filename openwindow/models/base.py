"""What a model is to the rest of openwindow: something that answers conversations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from openwindow.types import Message, StopReason

if TYPE_CHECKING:
    from openwindow.models.hf import LocalModel

Conversation = Sequence[Message]
Progress = Callable[[int], None]
Precision = Literal["auto", "bf16", "fp32"]
"""precision of a model's weights; `auto` is bf16 where the hardware multiplies it"""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer: its text, why it ended, its length in tokens (without the end token), and its prompt's length if known."""

    text: str
    stop: StopReason
    tokens: int
    prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn reply: its token ids without the end token, why it ended, and the end token, None at the length limit.

    `logprobs` are those of its tokens and of the end token under the distribution that they were drawn from, at the sampling
    temperature; None if they were not requested, or the draw was greedy.
    """

    tokens: list[int]
    stop: StopReason
    end: int | None
    logprobs: list[float] | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How replies are drawn.

    `temperature` 0 is greedy; `max_new_tokens` is the length limit in tokens; `batch_size` the number of replies decoded
    together; `seed` fixes the draws. With `first`, the number of the first reply, each reply is drawn by chance of its own, fixed
    by the seed and its number, so that a reply does not depend on which others the same process draws.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    batch_size: int = 64
    seed: int = 0
    first: int | None = None


class Model(Protocol):
    """Anything that answers conversations."""

    @property
    def name(self) -> str:
        """The name by which the model was requested."""
        ...

    def generate(self, conversations: Sequence[Conversation], sampling: Sampling, progress: Progress | None = None) -> list[Reply]:
        """One reply per conversation, in order; `progress` is called with the number of replies newly finished."""
        ...


class Sampler(Protocol):
    """Draws the rollouts of RL: any engine that can run the policy as it is at this moment.

    `models.sampling.local_sampler` runs the weights in this process; `models.reference_sampler.reference_sampler` does so through
    `transformers.generate`. An engine with its own copy of the weights first updates it to those of `model.network`.
    """

    def __call__(self, model: LocalModel, prompts: Sequence[Sequence[int]], how: Sampling) -> list[Drawn]:
        """One reply per prompt (token ids), in order, that ends with one of `model.end_ids` or at the length limit.

        Replies are drawn from the whole distribution at `how.temperature`, with no other change to it (no top-k, top-p or
        penalty), and carry their log-probabilities where the temperature is above 0. The same seed and weights give the same
        replies.
        """
        ...
