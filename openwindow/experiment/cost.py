"""An estimate of what a study costs, in model replies, from its configuration alone; for `--dry-run`. Imports no torch.

A training row costs about three replies, an RL rollout with its gradient two, and a document written by a model five. A pair of
answers costs three rows: two that are trained, and two whose log-probabilities are computed once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from openwindow.interventions.safety_training import SafetyTraining
from openwindow.training.config import SFT

if TYPE_CHECKING:
    from openwindow.experiment.study import Study

ROW, ROLLOUT, DOCUMENT, PAIR = 3.0, 2.0, 5.0, 3.0


def of_tuning(rows: int, config: SFT) -> float:
    """Fine-tuning on that many rows."""
    return ROW * rows * config.epochs


def of_safety(safety: SafetyTraining, items: float) -> float:
    """Safety training in an arm whose own training goes through so many rows or rollouts; of a pair both answers are trained."""
    if safety.place == "during":
        return ROW * items * safety.share / (1 - safety.share)
    return of_tuning(safety.rows, safety.train) * (PAIR if safety.method == "preference" else 1)


def of_start(study: Study) -> float:
    """The stages before all arms, and the measurements around them."""
    stage, knowledge = study.request_stage, study.knowledge
    asked = sum(context.by_arm is None for context in study.contexts.values()) * (0 if stage is None else stage.problems)
    trained = 0.0 if stage is None else of_tuning(stage.rows, stage.train) + asked
    if knowledge is not None:
        written = DOCUMENT * knowledge.documents if knowledge.writer is not None else 0.0
        trained += written + of_tuning(knowledge.demonstrations + round(knowledge.documents / knowledge.dilution), knowledge.train)
    if (upbringing := study.upbringing) is not None:
        trained += of_tuning(upbringing.conversations * upbringing.turns, upbringing.train)
    return asked + len(study.start_seeds) * trained


def of_study(study: Study, arms: Collection[str] | None = None, seeds: int | None = None) -> float:
    """The stages, and every arm at every seed with its measurements; evals (`Study.evals`) are not counted.

    Of a part of it, `arms` are those trained, and `seeds` is at how many seeds.
    """
    elsewhere = sum(e.problems for e in study.evaluation.elsewhere.values())
    each = 0.0
    for name, arm in study.arms.items():
        if arms is None or name in arms:
            contexts = sum(context.asked_of(name) for context in study.contexts.values())
            each += arm.cost + contexts * study.evaluation.problems + elsewhere + study.step_replies(name)
    return of_start(study) + (len(study.seeds) if seeds is None else seeds) * each
