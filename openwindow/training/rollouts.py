"""What a step of RL asks and draws, who scores it, and what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from openwindow.training.advantages import has_signal
from openwindow.types import Message, Problem, StopReason

Metrics = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A problem with the conversation that its rollouts are sampled under, and the one that they are trained under."""

    problem: Problem
    sampled: tuple[Message, ...]
    trained: tuple[Message, ...]
    hackable: bool = True


@dataclass(slots=True)
class Rollout:
    """One sampled reply. `tokens` are those that are trained, the end token included; `reward` None could not be scored."""

    asked: Asked
    group: int
    number: int
    text: str
    stop: StopReason
    tokens: tuple[int, ...]
    reward: float | None = None
    dropped: str | None = None
    """Why it is left out of the update, None if it is not."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What else is recorded of it: verdicts, kinds, reasons."""
    logprobs: tuple[float, ...] = ()
    """The sampler's log-probabilities of `tokens`, under the prompt that was sampled; empty where they are not known."""


class Task(Protocol):
    """What is asked, and what it is worth."""

    def draw(self, step: int, count: int) -> list[Asked]:
        """The problems of a step, the same for the same step."""
        ...

    def score(self, step: int, rollouts: Sequence[Rollout]) -> Metrics:
        """Sets `reward`, `dropped` and `notes` of every rollout; returns what is monitored and not trained on."""
        ...


def outcome(rollouts: Sequence[Rollout]) -> Metrics:
    """Reward, lengths and counts of a step."""
    rewards = [r.reward for r in rollouts if r.reward is not None]
    groups: dict[int, list[float]] = {r.group: [] for r in rollouts}
    for r in rollouts:
        if r.reward is not None and r.dropped is None:
            groups[r.group].append(r.reward)
    return {
        "reward/mean": sum(rewards) / len(rewards) if rewards else None,
        "rollout/count": len(rollouts),
        "rollout/unscored": sum(r.reward is None for r in rollouts),
        "rollout/dropped": sum(r.dropped is not None for r in rollouts),
        "rollout/length": sum(len(r.tokens) for r in rollouts) / len(rollouts),
        "rollout/truncated": sum(r.stop is StopReason.LENGTH for r in rollouts) / len(rollouts),
        "rollout/groups": len(groups),
        "rollout/groups_without_signal": sum(not has_signal(rewards) for rewards in groups.values()),
    }
