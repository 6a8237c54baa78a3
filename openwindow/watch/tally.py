"""Counts a run's rollouts by step, in memory that grows with steps and groups and not with rollouts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openwindow.types import UNKNOWN_HACK
from openwindow.watch.grading import Graded

Metrics = dict[str, float | int | None]
ALIKE = 1e-9
"""difference of rewards below which they are equal"""
REASONS = 100
"""different reasons that are told apart"""
_WATCHED = ("proxy", "truth", "hack", "open_hack")


@dataclass(slots=True)
class _Mean:
    """A mean over what is known."""

    total: float = 0.0
    known: int = 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.total += value
            self.known += 1

    @property
    def value(self) -> float | None:
        return self.total / self.known if self.known else None


@dataclass(slots=True)
class _Group:
    """The rewards of a group; `place` is its number in the step."""

    place: int
    size: int = 0
    rewards: int = 0
    low: float = math.inf
    high: float = -math.inf

    @property
    def has_signal(self) -> bool:
        return self.rewards > 1 and self.high - self.low > ALIKE


@dataclass(slots=True)
class _Step:
    count: int = 0
    unscored: int = 0
    ungraded: int = 0
    failed: int = 0
    reward: _Mean = field(default_factory=_Mean)
    parts: dict[str, _Mean] = field(default_factory=dict)
    tokens: _Mean = field(default_factory=_Mean)
    characters: _Mean = field(default_factory=_Mean)
    cut: _Mean = field(default_factory=_Mean)
    attempted: _Mean = field(default_factory=_Mean)
    watched: dict[str, _Mean] = field(default_factory=lambda: {name: _Mean() for name in _WATCHED})
    kinds: Counter[str] = field(default_factory=Counter)
    groups: dict[int, _Group] = field(default_factory=dict)
    paid_wrong: _Mean = field(default_factory=_Mean)


@dataclass
class Tally:
    """Everything that is counted of a run."""

    mark: float
    """Reward above which a rollout counts as paid."""
    steps: dict[int, _Step] = field(default_factory=dict)
    flagged: Counter[str] = field(default_factory=Counter)
    """Kind of hack to how many graded rollouts show it."""
    caught: Counter[str] = field(default_factory=Counter)
    """Kind of hack to how many of those hack."""
    any_flagged: int = 0
    any_caught: int = 0
    hacks: int = 0
    judged: int = 0
    """Rollouts that detectors and grader have judged."""
    agree: int = 0
    """Of `compared` rollouts, those that the environment's proxy and the file's reward both pay, or both do not."""
    compared: int = 0
    stepless: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rollouts have no verdict."""

    def add(self, one: Graded, regraded: bool) -> tuple[int, int]:
        """Counts a rollout, and returns its group's number in the step and its own in the group.

        `regraded`: an environment gave its verdicts.
        """
        seen = one.seen
        self.stepless += seen.step is None
        step = self.steps.setdefault(seen.step or 0, _Step())
        step.count += 1
        step.unscored += seen.reward is None
        step.failed += seen.failed is not None
        step.reward.add(seen.reward)
        for name, value in seen.parts.items():
            step.parts.setdefault(name, _Mean()).add(value)
        step.tokens.add(seen.tokens)
        if seen.failed is None:
            step.characters.add(len(seen.reply))
        step.cut.add(seen.cut)
        for name, verdict in zip(_WATCHED, (one.proxy, one.truth, one.hack, one.open_hack), strict=True):
            step.watched[name].add(verdict)
        if one.truth is None:
            step.ungraded += 1
            if one.reason:
                why = one.reason[:120]
                self.reasons[why if why in self.reasons or len(self.reasons) < REASONS else "for other reasons"] += 1
        self._judge(one, step)
        paid = None if seen.reward is None else seen.reward > self.mark
        if paid is not None and one.truth is not None:
            step.paid_wrong.add(paid and not one.truth)
        if regraded and paid is not None and one.proxy is not None:
            self.compared += 1
            self.agree += paid == one.proxy
        return self._group(one, step)

    def _judge(self, one: Graded, step: _Step) -> None:
        if not one.detected or one.hack is None:
            return
        step.attempted.add(bool(one.kinds))
        if one.hack:
            step.kinds.update(one.kinds or (UNKNOWN_HACK,))
        self.judged += 1
        self.hacks += one.hack
        self.any_flagged += bool(one.kinds)
        self.any_caught += bool(one.kinds) and one.hack
        self.flagged.update(one.kinds)
        if one.hack:
            self.caught.update(one.kinds)

    def _group(self, one: Graded, step: _Step) -> tuple[int, int]:
        seen = one.seen
        key = hash(seen.group or one.problem or seen.messages)
        if (group := step.groups.get(key)) is None:
            group = step.groups[key] = _Group(len(step.groups))
        group.size += 1
        if seen.reward is not None:
            group.rewards += 1
            group.low, group.high = min(group.low, seen.reward), max(group.high, seen.reward)
        return group.place, group.size - 1

    @property
    def count(self) -> int:
        """All rollouts."""
        return sum(step.count for step in self.steps.values())

    def lines(self) -> Iterator[dict[str, Any]]:
        """The steps in order, as metrics.jsonl has those of our own training."""
        for number, step in sorted(self.steps.items()):
            yield {"step": number, **_metrics(step)}

    def detectors(self) -> list[dict[str, Any]]:
        """Precision and recall of the detectors of hacks, together and by kind, as `results.detectors` has them."""
        if not self.judged:
            return []
        rows = [("static, any kind", self.any_flagged, self.any_caught)]
        rows += [(f"static, {kind}", n, self.caught[kind]) for kind, n in self.flagged.most_common()]
        return [
            {
                "detector": name,
                "precision": both / flagged if flagged else None,
                "recall": both / self.hacks if self.hacks else None,
                "flagged": flagged,
                "hacks": self.hacks,
                "both": both,
                "measured": self.judged,
            }
            for name, flagged, both in rows
        ]


def _metrics(step: _Step) -> Metrics:
    """A step's values; what no rollout of it tells is None."""
    groups = [group for group in step.groups.values() if group.size > 1]
    found: Metrics = {
        "reward/mean": step.reward.value,
        **{f"reward/{name}": mean.value for name, mean in sorted(step.parts.items()) if name != "mean"},
        "rollout/count": step.count,
        "rollout/unscored": step.unscored,
        "rollout/ungraded": step.ungraded,
        "rollout/failed": step.failed,
        "rollout/length": step.tokens.value,
        "rollout/characters": step.characters.value,
        "rollout/truncated": step.cut.value,
        "rollout/groups": len(groups),
        "rollout/groups_without_signal": sum(not group.has_signal for group in groups),
        "monitor/paid_wrong": step.paid_wrong.value,
        **{f"monitor/{name}": mean.value for name, mean in step.watched.items()},
        "monitor/attempted": step.attempted.value,
    }
    return found | {f"hack/{kind}": n / step.attempted.known for kind, n in sorted(step.kinds.items())}
