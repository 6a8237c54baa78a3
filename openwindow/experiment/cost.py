"""An estimate of what a study costs, in model replies, from its configuration alone; for `--dry-run`. Imports no torch.

A training row costs about three replies, an RL rollout with its gradient two, and a document written by a model five.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openwindow.training.config import GRPO, SFT

if TYPE_CHECKING:
    from openwindow.experiment.study import Study

ROW, ROLLOUT, DOCUMENT = 3.0, 2.0, 5.0


def of_tuning(rows: int, config: SFT) -> float:
    """Fine-tuning on that many rows."""
    return ROW * rows * config.epochs


def of_rl(config: GRPO, begun: int = 0) -> float:
    """RL from step `begun` on."""
    return ROLLOUT * (config.steps - begun) * config.prompts_per_step * config.group_size


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


def of_study(study: Study) -> float:
    """The stages, and every arm at every seed with its measurements; evals (`Study.evals`) are not counted."""
    elsewhere = sum(e.problems for e in study.evaluation.elsewhere.values())
    arms = 0.0
    for name, arm in study.arms.items():
        contexts = sum(context.asked_of(name) for context in study.contexts.values())
        arms += arm.cost + contexts * study.evaluation.problems + elsewhere
    return of_start(study) + len(study.seeds) * arms
