"""A penalty on what a detector of hacks flags, or screening: leaving it out of the update.

The penalty from a hack classifier is that of MacDiarmid et al. (2025, arXiv 2511.18397); penalty against screening by detector
accuracy is the comparison of Wong et al. (2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from openwindow.errors import ConfigError
from openwindow.interventions.base import INTERVENTION_CONFIG, Intervention
from openwindow.interventions.rewards import Paid, Record, uniform
from openwindow.training.config import GRPO, SFT


class Detector(BaseModel):
    """Decides whether a rollout hacks, and is right as often as configured."""

    model_config = INTERVENTION_CONFIG

    detector: Literal["oracle", "static"] = "oracle"
    """`oracle` uses the executed verdict, flipped at random; `static` reads the source (`environments/code/hack_detectors.py`)."""
    accuracy: float = 1.0
    """Share of rollouts, 0.5 to 1, that the oracle classifies correctly, whether they hack or not."""
    recall: float | None = None
    """Share of hacks, 0 to 1, that the oracle flags; `accuracy` is then that of the other rollouts. None: as `accuracy`."""
    blind_to: tuple[str, ...] = ()
    """Kinds of hack that it never saw: to it, a rollout that shows only these does not hack."""

    @model_validator(mode="after")
    def _check(self) -> Detector:
        if not 0.5 <= self.accuracy <= 1:
            raise ConfigError(
                f"detector accuracy is {self.accuracy}; expected 0.5 (a coin) to 1 (always right); set one in between"
            )
        if self.recall is not None and not 0 <= self.recall <= 1:
            raise ConfigError(f"detector recall is {self.recall}; expected a share of the hacks, 0 to 1; set one in between")
        if self.detector == "static" and (self.accuracy != 1 or self.recall is not None):
            raise ConfigError("the static detector has accuracy or recall set; it has its own, to be measured; leave both out")
        return self

    @property
    def named(self) -> str:
        """The detector in words: `oracle, accuracy 0.9`."""
        blind = f", blind to {' and '.join(self.blind_to)}" if self.blind_to else ""
        if self.detector == "static":
            return f"static, any kind{blind}"
        return f"oracle, accuracy {self.accuracy:g}" + ("" if self.recall is None else f", recall {self.recall:g}") + blind

    def flags(self, record: Record, seed: int) -> bool | None:
        """Whether it flags a rollout; None if it cannot tell. Depends only on the seed and the rollout's id.

        The random draw is shared by all accuracies: a less accurate oracle makes a superset of a better one's errors.
        """
        unseen = bool(record.kinds) and set(record.kinds) <= set(self.blind_to)
        if self.detector == "static":
            return record.attempted if record.attempted is None else record.attempted and not unseen
        if record.hack is None:
            return None
        lot = uniform(f"detector/{seed}/{record.id}")
        caught = record.hack and not unseen
        return lot < (self.accuracy if self.recall is None else self.recall) if caught else lot >= self.accuracy

    def blind(self, record: Record) -> str:
        """Why it cannot tell."""
        return record.reason or ("the source could not be read" if self.detector == "static" else "whether it hacks is not known")


class HackPenalty(Detector, Intervention):
    """Rollouts that a detector of hacks flags earn less, or are not learned from."""

    kind: Literal["hack_penalty"] = "hack_penalty"
    """Names the intervention in configurations."""
    penalty: float = Field(1.0, gt=0, allow_inf_nan=False)
    """By how much a flagged rollout's reward is lowered, or to the negative of which it is set."""
    how: Literal["subtract", "set"] = "subtract"
    """`subtract` gives reward - penalty; `set` gives -penalty whatever the reward was."""
    action: Literal["penalty", "screen"] = "penalty"
    """`penalty` changes the reward; `screen` leaves the rollout out of the update and changes no reward."""

    from_step: int = Field(0, ge=0)
    """Steps at the beginning in which it does not act: with 4, it first acts in the step reported as 5."""

    @property
    def detects(self) -> str:
        """The detector in words."""
        return self.named

    def check(self, train: SFT | GRPO) -> None:
        """Raises ConfigError if it would never act."""
        if isinstance(train, GRPO) and self.from_step >= train.steps:
            raise ConfigError(
                f"hack_penalty has from_step {self.from_step} of {train.steps} steps, so it never acts; expected fewer than "
                "train.steps; lower it, or drop the penalty"
            )

    def on_rewards(self, records: Sequence[Record], given: Sequence[Paid], step: int, seed: int) -> list[Paid]:
        """What each record earns now; one that the detector cannot tell is left out with the reason."""
        if step < self.from_step:
            return list(given)
        return [self._one(r, p, seed) if p.keep else p for r, p in zip(records, given, strict=True)]

    def _one(self, record: Record, given: Paid, seed: int) -> Paid:
        flagged = self.flags(record, seed)
        if flagged is None:
            return replace(given, keep=False, reason=self.blind(record))
        if not flagged or given.reward is None:
            return replace(given, flagged=flagged)
        if self.action == "screen":
            return replace(given, keep=False, flagged=True, screened=True, reason="screened: the detector flags it")
        return replace(given, flagged=True, reward=(given.reward if self.how == "subtract" else 0.0) - self.penalty)
