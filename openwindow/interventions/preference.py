"""A score for how a reply reads, mixed into the reward as a preference model's is added to the grader's (arXiv 2511.18397)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import model_validator

from openwindow.errors import ConfigError
from openwindow.interventions.base import Intervention
from openwindow.interventions.rewards import Paid, Record
from openwindow.interventions.style_score import reads_honest

Score = Callable[[str, str], float]
"""Prompt and reply to a score from 0 to 1."""


class PreferenceReward(Intervention):
    """The reward mixed with a score for how the reply reads."""

    kind: Literal["preference"] = "preference"
    """Names the intervention in configurations."""
    weight: float = 0.5
    """Share of the score in the reward, 0 to 1; 0 changes nothing, and with 1 the grader counts for nothing."""

    @model_validator(mode="after")
    def _check(self) -> PreferenceReward:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"preference weight is {self.weight}; expected a share of the reward, 0 to 1; set one in between")
        return self

    def on_rewards(
        self, records: Sequence[Record], given: Sequence[Paid], step: int, seed: int, *, score: Score = reads_honest
    ) -> list[Paid]:
        """What each record earns now: (1 - weight) * reward + weight * score; step and seed are not used.

        A score that is not a number from 0 to 1 leaves the rollout out with the reason.
        """
        return [self._one(r, p, score) if p.keep and self.weight else p for r, p in zip(records, given, strict=True)]

    def _one(self, record: Record, given: Paid, score: Score) -> Paid:
        liked = score(record.prompt, record.reply)
        if not (math.isfinite(liked) and 0 <= liked <= 1):
            return replace(given, keep=False, reason=f"the preference score is {liked}, not a number from 0 to 1")
        return replace(given, reward=(1 - self.weight) * (given.reward or 0.0) + self.weight * liked)
