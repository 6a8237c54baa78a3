"""Changes of rollout prompts: the environment's hint, and different texts for sampling and for training.

The same text in both is inoculation, or plain training (`inoculation.py`). A different one in each is recontextualization:
rollouts sampled under a text that forbids the hacks and trained under one that permits them, or the other way round, which is the
harmful direction and a control.
"""

from __future__ import annotations

import random
from typing import Literal

from pydantic import model_validator

from openwindow.data.rows import Position, place
from openwindow.errors import ConfigError
from openwindow.interventions.base import Asking, Intervention, Prompts
from openwindow.training.config import GRPO, SFT
from openwindow.types import Message


class Hint(Intervention):
    """Prompts of rollouts say which loopholes of the grader are open."""

    kind: Literal["hint"] = "hint"
    """Names the intervention in configurations."""

    def on_prompts(self, prompts: Prompts, asking: Asking) -> Prompts:
        """Both prompts with the environment's hint after them."""
        return Prompts(*(place(turns, asking.hint, "user_suffix") for turns in (prompts.sampled, prompts.trained)))


class Recontextualization(Intervention):
    """Rollouts are sampled under one text and trained under another."""

    kind: Literal["recontextualization"] = "recontextualization"
    """Names the intervention in configurations."""
    sampled: tuple[str, ...] = ()
    """Wordings of the text that rollouts are sampled under, one drawn per problem by seed; none adds nothing."""
    trained: tuple[str, ...] = ()
    """Wordings of the text that they are trained under; none adds nothing."""
    position: Position = "user_suffix"
    """Where the texts go."""

    @model_validator(mode="after")
    def _differ(self) -> Recontextualization:
        if self.sampled == self.trained:
            raise ConfigError(
                f"recontextualization has sampled and trained {list(self.sampled)}; expected different texts; change one, or take "
                "Inoculation for one text"
            )
        return self

    def check(self, train: SFT | GRPO) -> None:
        """Raises ConfigError if a KL would have to be estimated from what another prompt drew."""
        if isinstance(train, GRPO) and train.kl_weight > 0:
            raise ConfigError(
                f"train.kl_weight is {train.kl_weight} with recontextualization; expected 0 with two prompts, as the KL cannot be "
                "estimated from what another prompt drew; drop train.kl_weight, or take one prompt"
            )

    def on_prompts(self, prompts: Prompts, asking: Asking) -> Prompts:
        """Each prompt with its own text inserted."""
        return Prompts(self._put(prompts.sampled, self.sampled, asking), self._put(prompts.trained, self.trained, asking))

    def _put(self, turns: tuple[Message, ...], texts: tuple[str, ...], asking: Asking) -> tuple[Message, ...]:
        text = random.Random(f"prompted/{asking.seed}/{asking.problem}").choice(texts) if texts else None
        return place(turns, text, self.position, asking.own)
