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

    `scores` is None for a measure that was not scored (see `reason`), and lacks those that do not apply to the problem. `code` is
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
    """One measure of one arm in one context; `estimate` is None if it was not measured, and `reason` says why."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int
    by_seed: tuple[float | None, ...]
    reason: str | None
    families: int | None = None
    bounds: tuple[float, float] | None = None
    """the rate if unscored replies count as 0 and as 1, given if there are many of them"""


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
    """a remark if an arm is at one end of the scale at every seed"""
    detectable: float | None = None
    """the smallest effect that it would have detected in 80 % of runs with the spread of this one"""


@dataclass(frozen=True, slots=True)
class Leak:
    """An arm's highest rate of the behaviour in any context that does not ask for it; `untrained`: before training, there."""

    context: str
    estimate: float | None
    low: float | None
    high: float | None
    untrained: float | None


@dataclass(frozen=True, slots=True)
class Arm:
    """A named arm: what it is and which settings it declares to change."""

    name: str
    title: str
    description: str
    differs: Json


@dataclass(frozen=True, slots=True)
class Context:
    """What is added to every prompt at test time, None for nothing; `about` describes another environment."""

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
    """Everything in a run folder. `cells` is keyed by (arm, measure, context), `train` by arm and then seed.

    `rollouts` are what the numbers count; `training` are RL's training rollouts, with their step as the context.
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
