"""What a run folder is read into as a whole; the records that it is made of are those of `files.records`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwindow.files.kept import Counts, Kept, Trained
from openwindow.files.records import Cell, Comparison, Leak, Rollout, TrainingRollout
from openwindow.files.run_files import Note
from openwindow.types import Measure, Message

__all__ = ["Arm", "Cell", "Comparison", "Context", "Json", "Leak", "Metric", "Rollout", "Run", "TrainRow", "TrainingRollout"]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One chat that an arm was trained on."""

    messages: tuple[Message, ...]
    kind: str
    problem: str
    family: str
    inoculated: bool
    rejected: tuple[Message, ...] = ()
    """the same conversation with the answer that it is trained against, of a preference pair"""


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
    """Everything in a run folder. `cells` is keyed by (arm, measure, context), `train` and `safety`, the
    conversations of safety training, by arm and then seed.

    `rollouts` are what the numbers count; `training` are RL's training rollouts, with their step as the context, and `at_steps`
    those on test problems in the middle of the training.
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
    safety: Mapping[str, Mapping[int, tuple[TrainRow, ...]]]
    rollouts: tuple[Rollout, ...]
    training: tuple[TrainingRollout, ...]
    at_steps: tuple[Rollout, ...]
    diff: str
    notes: tuple[Note, ...]
    kept: Kept | None = None
    """The mark of a kept run, whose rows are a sample and whose numbers are those of the whole run."""

    @property
    def counts(self) -> Counts:
        """What is said about all rows of the run: of a kept one as its mark has it, otherwise counted."""
        if self.kept is not None:
            return self.kept.counts
        unscored = Counter(r.reason or "no reason recorded" for r in self.rollouts if None in r.scores.values())
        trained = {arm: _trained(seeds) for arm, seeds in self.train.items()}
        return Counts(
            replies=len(self.rollouts),
            at_steps=len(self.at_steps),
            training=len(self.training),
            unscored=dict(unscored),
            trained=trained,
        )


def _trained(seeds: Mapping[int, tuple[TrainRow, ...]]) -> Trained:
    rows = [row for of_seed in seeds.values() for row in of_seed]
    kinds = Counter(row.kind or "unnamed" for row in rows)
    return Trained(rows=len(rows), seeds=len(seeds), kinds=dict(kinds), inoculated=sum(row.inoculated for row in rows))
