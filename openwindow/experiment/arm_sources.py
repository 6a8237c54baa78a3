"""What an arm takes over from another arm of the same run: the state of its training, or its rollouts.

DIR/arms/ARM/seed-S/checkpoints/step-N/state.pt   left by an arm for those that fork from it after step N
"""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from openwindow.environments.gameable import VERDICTS
from openwindow.errors import RunError
from openwindow.files.bounded import short
from openwindow.files.records import TrainingRollout, messages_of, training_rollout_of
from openwindow.files.writing import read_jsonl
from openwindow.interventions.distillation import Distillation, Distilled, filter_and_distil
from openwindow.interventions.rewards import Record
from openwindow.training import checkpoint
from openwindow.training.config import GRPO


def keep_state(kept: Path, step: int) -> None:
    """Copies the training state in `kept`, which is that of `step`, next to that step's adapter. Raises RunError, StorageError."""
    state = kept / checkpoint.STATE
    if not state.is_file():
        raise RunError(f"{state} is missing; expected the state after step {step}; train the arm again")
    with checkpoint.whole(kept / f"step-{step}") as path:
        shutil.copy(state, path)


def fork(unit: Path, step: int, kept: Path, config: GRPO) -> None:
    """Prepares `kept` so that training continues from `step` of the finished arm in `unit`, under its own `config`.

    Takes over the weights and the optimiser's moments. Does nothing if `kept` already holds a training. Raises RunError,
    StorageError.
    """
    if (kept / checkpoint.STATE).is_file():
        return
    folder = unit / "checkpoints" / f"step-{step}"
    state = checkpoint.state_in(folder)
    if state is None:
        path = folder / checkpoint.STATE
        raise RunError(f"{path} is missing; expected the state that this arm is forked from; delete {unit} to train it again")
    checkpoint.store(kept, {**state, "config": config.model_dump(mode="json")})


def distilled(unit: Path, distil: Distillation, seed: int) -> Distilled:
    """The rows left of the training rollouts of the finished arm in `unit` after filtering, at most `distil.rows` of them."""
    records = _records(unit / "training.jsonl", seed)
    found = filter_and_distil(records, distil.detector, seed, words=distil.words, failing=distil.failing)
    if len(found.rows) <= distil.rows:
        return found
    drawn = random.Random(f"distil/{seed}").sample(found.rows, distil.rows)
    return replace(found, rows=tuple(drawn), dropped=found.dropped | {"not drawn": len(found.rows) - distil.rows})


def _records(path: Path, seed: int) -> list[Record]:
    """All records of a training.jsonl. Raises RunError for a damaged line."""
    try:
        lines = [training_rollout_of(line, VERDICTS, messages_of(line["messages"])) for line in read_jsonl(path)]
        return [_record(line, seed) for line in lines]
    except (ValidationError, LookupError) as error:
        raise RunError(
            f"{path} is damaged ({short(error)}); expected training rollouts; delete {path.parent} to train the arm again"
        ) from error


def _record(rollout: TrainingRollout, seed: int) -> Record:
    """A training rollout as it was graded, under the id that it had then."""
    step = rollout.step - 1
    return Record(
        id=f"{seed}/{step}/{rollout.group}/{rollout.number}",
        group=f"{step}/{rollout.group}",
        proxy=rollout.scores["passes_visible"],
        truth=rollout.scores["correct"],
        hack=rollout.scores["hack"],
        attempted=rollout.scores["attempted"],
        kinds=rollout.kinds,
        reason=rollout.reason,
        prompt=rollout.messages[-1].content,
        reply=rollout.reply,
        problem=rollout.problem,
        family=rollout.family,
    )
