"""The frozen records that a run folder is read into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwindow.files.run_files import Note
from openwindow.types import Measure, Message, StopReason

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One reply of one arm to one problem under one context.

    `scores` is None where a measure was not scored (see `reason`), and lacks those that do not apply to the problem. `code` is
    the part of the reply that was graded, `visible` what it was checked against.
    """

    arm: str
    seed: int
    context: str
    problem: str
    family: str
    messages: tuple[Message, ...]
    reply: str
    code: str
    stop: StopReason
    scores: Mapping[str, bool | None]
    kinds: tuple[str, ...]
    reason: str | None
    failed_on: str | None
    visible: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One chat that an arm was trained on."""

    messages: tuple[Message, ...]
    kind: str
    problem: str
    family: str
    inoculated: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One measure of one arm in one context; `estimate` is None where it was not measured, and `reason` says why."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int
    by_seed: tuple[float | None, ...]
    reason: str | None
    families: int | None = None
    bounds: tuple[float, float] | None = None
    """the rate with what was not scored taken as 0 and as 1, where that is much"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm against another, on one measure in one context."""

    measure: str
    context: str
    arm: str
    against: str
    against_context: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    expect: str = ""
    margin: float | None = None
    ceiling: str | None = None
    """what is said where an arm is at one end of the scale at every seed"""
    detectable: float | None = None
    """the smallest effect that it would have shown in 80 % of runs with the spread of this one"""


@dataclass(frozen=True, slots=True)
class Leak:
    """An arm's largest rate of the behaviour in any context that does not ask for it; `untrained`: before training, there."""

    context: str
    estimate: float | None
    low: float | None
    high: float | None
    untrained: float | None


@dataclass(frozen=True, slots=True)
class Arm:
    """A named arm: what it is and which settings it declares to differ in."""

    name: str
    title: str
    description: str
    differs: Json


@dataclass(frozen=True, slots=True)
class Context:
    """What is added to every prompt at test time, None for nothing; `about` says what an environment of its own is."""

    name: str
    text: str | None
    position: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of metrics.jsonl."""

    arm: str
    seed: int
    stage: str
    step: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """All that a run folder says. `cells` is keyed by (arm, measure, context), `train` by arm and then seed.

    `rollouts` are what the numbers count; `training` are those of reinforcement learning, their step in the place of the context.
    """

    config: Json
    provenance: Json
    status: Json
    results: Json
    arms: tuple[Arm, ...]
    contexts: tuple[Context, ...]
    measures: tuple[str, ...]
    meanings: Mapping[str, Measure]
    cells: Mapping[tuple[str, str, str], Cell]
    comparisons: tuple[Comparison, ...]
    leaks: Mapping[str, Leak]
    metrics: tuple[Metric, ...]
    train: Mapping[str, Mapping[int, tuple[TrainRow, ...]]]
    rollouts: tuple[Rollout, ...]
    training: tuple[Rollout, ...]
    diff: str
    notes: tuple[Note, ...]
