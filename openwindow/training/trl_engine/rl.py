"""GRPO whose gradients TRL computes; stands in for `training.grpo.train`.

    FOLDER/start/          the adapter that training begins with
    FOLDER/checkpoint-N/   TRL's checkpoints, after N optimiser steps
    FOLDER/trained/        the adapter, or all weights, at the end

Every step the first of TRL's processes sends what all of them have drawn, is told what each rollout earns, and sends the step's
metrics once it has been trained on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openwindow.files.writing import storing
from openwindow.models.base import Drawn
from openwindow.models.hf import LocalModel
from openwindow.training.config import GRPO
from openwindow.training.grpo import all_asked, rollouts_of
from openwindow.training.optimizer import check_finite
from openwindow.training.rollouts import Metrics, Rollout, Task, outcome
from openwindow.training.trl_engine.launch import Processes, aside, hand_over, take_back
from openwindow.training.trl_engine.options import Launch
from openwindow.types import StopReason

PLACE = "rl"
"""the folder of this training in the engine's"""


def steps_done(launch: Launch, config: GRPO) -> int:
    """The step after which the last whole checkpoint was written; 0 without one, all once the training is over."""
    if (launch.folder / PLACE / "trained").is_dir():
        return config.steps
    found = last_checkpoint(launch.folder / PLACE)
    return 0 if found is None else int(found.name.partition("-")[2]) // config.updates_per_step


def last_checkpoint(folder: Path) -> Path | None:
    """TRL's last checkpoint in which nothing is missing, or None."""
    whole = [p for p in folder.glob("checkpoint-*") if all((p / name).is_file() for name in ("trainer_state.json", "scheduler.pt"))]
    return max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)


def train(
    model: LocalModel,
    task: Task,
    config: GRPO,
    seed: int,
    on_step: Callable[[Metrics, list[Rollout]], None],
    launch: Launch,
    on_saved: Callable[[int, Path], None],
) -> None:
    """Trains the model's adapter, or all its weights; as `grpo.train`, whose other arguments these are.

    Goes on from the last checkpoint in `launch.folder`; `on_saved` gets the step and the folder of each that is written. Raises
    ConfigError, ModelError, StorageError, RunError.
    """
    folder = launch.folder / PLACE
    planned = all_asked(model, task, config, 0)
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    latest = last_checkpoint(folder)
    job = {
        "kind": "rl",
        "config": config.model_dump(mode="json"),
        "seed": seed,
        "adapter": hand_over(model, folder / "start"),
        "prompts": [
            {"sampled": model.encode_prompt(asked.sampled), "trained": model.encode_prompt(asked.trained)}
            for step in planned
            for asked in step
        ],
        "resume": None if latest is None else str(latest),
        "end_ids": sorted(model.end_ids),
    }
    if not (folder / "trained").is_dir():
        with aside(model), Processes(launch, folder, job, model) as processes:
            _follow(processes, model, task, config, planned, on_step, on_saved)
    take_back(model, folder / "trained")


def _follow(
    processes: Processes,
    model: LocalModel,
    task: Task,
    config: GRPO,
    planned: Sequence[Sequence[Any]],
    on_step: Callable[[Metrics, list[Rollout]], None],
    on_saved: Callable[[int, Path], None],
) -> None:
    """Scores what is drawn and records what is trained, to the end."""
    rollouts: list[Rollout] = []
    monitored: Metrics = {}
    scoring = 0.0
    for message in processes.messages():
        step = int(message["step"])
        if message["kind"] == "drawn":
            rollouts = rollouts_of(model, planned[step], config, [_drawn(reply) for reply in message["replies"]])
            began = time.perf_counter()
            monitored = task.score(step, rollouts)
            scoring = time.perf_counter() - began
            earned = [r.reward if r.dropped is None else None for r in rollouts]
            processes.answer({"earned": earned, "monitored": monitored})
        elif message["kind"] == "updated":
            metrics = _metrics(message, rollouts, monitored, scoring)
            check_finite(metrics, (), step + 1)
            on_step(metrics, rollouts)
        elif message["kind"] == "saved":
            on_saved(step + 1, Path(message["folder"]))


def _drawn(reply: Mapping[str, Any]) -> Drawn:
    tokens, ended = list(reply["tokens"]), bool(reply["ended"])
    return Drawn(
        tokens[:-1] if ended else tokens,
        StopReason.END if ended else StopReason.LENGTH,
        tokens[-1] if ended else None,
        reply["logprobs"],
    )


def _metrics(message: Mapping[str, Any], rollouts: Sequence[Rollout], monitored: Metrics, scoring: float) -> Metrics:
    """The same keys in the same order as in our loop."""
    seconds = {"sample": message["seconds"]["sample"], "score": scoring, "update": message["seconds"]["update"]}
    return {
        "train/step": int(message["step"]) + 1,
        **outcome(rollouts),
        **monitored,
        **message["updated"],
        **message["seen"],
        "rollout/tokens": sum(len(r.tokens) for r in rollouts),
        **{f"time/{phase}": spent for phase, spent in seconds.items()},
        "time/seconds": sum(seconds.values()),
    }
