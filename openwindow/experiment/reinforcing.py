"""Trains one arm by RL and writes its rollouts, metrics, checkpoints and weights into a run folder.

DIR/checkpoints/ARM/seed-S/      until the arm is finished: state, adapters, and the logs of the finished steps
DIR/arms/ARM/seed-S/training.jsonl   every training rollout
DIR/arms/ARM/seed-S/checkpoints/     the adapters saved at some steps
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from openwindow.environments.gameable import VERDICTS, Gameable
from openwindow.errors import RunError
from openwindow.experiment.arm import ArmRun, Trained
from openwindow.experiment.arm_sources import fork, keep_state
from openwindow.experiment.fine_tuning import safety_beside, trainable
from openwindow.experiment.rl_task import HackableTask
from openwindow.experiment.run_folder import unit_of
from openwindow.files.records import TrainingRollout
from openwindow.files.writing import append_jsonl, storing, write_jsonl
from openwindow.formatting import percent
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel
from openwindow.models.memory import give_back_memory
from openwindow.models.templates import default_of
from openwindow.progress import Reporter
from openwindow.training import checkpoint
from openwindow.training.config import GRPO
from openwindow.training.grpo import train
from openwindow.training.rollouts import Metrics, Rollout

if TYPE_CHECKING:
    from openwindow.experiment.rl_arm import RLArm

_LOGS = ("metrics.jsonl", "training.jsonl")


def reinforced(run: ArmRun, arm: RLArm) -> Trained:
    """Trains an arm from the start, or from where it forks, on the seed's problems."""
    assert isinstance(run.environment, Gameable)  # the study has checked it
    problems = run.environment.problems("train", arm.problems, run.seed)
    spared = () if arm.hackable_share < 1 else arm.opened  # an environment without a truth has no hardened twin
    hackable, hardened, open_twin = (run.environment.with_loopholes(holes) for holes in (arm.opened, spared, None))
    task = HackableTask(arm, problems, hackable, hardened, run.seed, open_twin=open_twin, own=default_of(run.model))
    if arm.fork is not None:
        fork(run.folder.path / unit_of(arm.fork.arm, run.seed), arm.fork.step, run.kept, arm.train)
    beside, share = safety_beside(run, arm.safety_training, arm.train)
    timing = reinforce(
        run.model, task, arm.train, run.seed, run.path, run.kept, run.name, run.reporter, forked=run.forked,
        beside=beside, share=share,
    )  # fmt: skip
    return Trained(arm.train.method, timing, {"safety_rows": len(beside)} if beside else {})


def reinforce(
    model: LocalModel,
    task: HackableTask,
    config: GRPO,
    seed: int,
    path: Path,
    kept: Path,
    arm: str,
    reporter: Reporter,
    *,
    forked: Collection[int] = (),
    beside: Sequence[Example] = (),
    share: int = 0,
) -> dict[str, float]:
    """Trains an arm, adds to metrics.jsonl in `path`, writes training.jsonl and checkpoints/ there; returns seconds by phase.

    `kept` holds what an interrupted training, or a fork, continues from; the caller discards it once `path` is safe. The state
    after each of the steps in `forked` is left next to its adapter. An adapter that is on is trained further; otherwise a fresh one
    is attached if `config.method` is `lora`, and stays. `beside` and `share` are those of `train`. Raises ConfigError, ModelError,
    RunError, StorageError.
    """
    began = time.perf_counter()
    torch.manual_seed(seed)
    trainable(model, config)
    done = checkpoint.steps_done(kept)
    begun = task.arm.fork.step if task.arm.fork is not None else 0
    for name in _LOGS:
        _cut(kept / name, begun, done)
    with reporter.step(f"seed {seed}: training {arm} by RL", config.steps, done=done) as advance:

        def on_step(values: Metrics, drawn: list[Rollout]) -> None:
            step = int(values["train/step"] or 0)
            if step - 1 in forked:  # no later state has been written yet
                keep_state(kept, step - 1)
            append_jsonl(kept / "metrics.jsonl", [{"arm": arm, "seed": seed, "stage": "rl", "step": step, **values}])
            append_jsonl(kept / "training.jsonl", [_recorded(arm, seed, step, r).line() for r in drawn])
            advance(1)
            said = ", ".join(f"{name} {percent(values[f'monitor/{name}'], '?')}" for name in ("proxy", "truth", "hack"))
            reporter.say(f"  seed {seed}  {arm:<16} step {step:>3}: {said}")

        train(model, task, config, seed, on_step, kept, beside=beside, share=share)
    if config.steps in forked:
        keep_state(kept, config.steps)
    give_back_memory()
    with storing(path):
        with (path / "metrics.jsonl").open("a", encoding="utf-8") as file:  # behind what training before it left
            file.write((kept / "metrics.jsonl").read_text(encoding="utf-8"))
        shutil.copy(kept / "training.jsonl", path / "training.jsonl")
        for adapter in sorted(kept.glob("step-*")):
            shutil.copytree(adapter, path / "checkpoints" / adapter.name)
    return {"train": time.perf_counter() - began}


def _recorded(arm: str, seed: int, step: int, r: Rollout) -> TrainingRollout:
    """A rollout as stored in training.jsonl."""
    noted = {name: value for name, value in r.notes.items() if name not in VERDICTS}
    return TrainingRollout(
        arm=arm,
        seed=seed,
        context=f"training, step {step:02}",
        step=step,
        group=r.group,
        number=r.number,
        problem=r.asked.problem.id,
        family=r.asked.problem.family,
        hackable=r.asked.hackable,
        messages=r.asked.sampled,
        reply=r.text,
        stop=r.stop,
        tokens=len(r.tokens),
        reward=r.reward,
        dropped=r.dropped,
        scores={name: value for name, value in r.notes.items() if name in VERDICTS},
        trained_under=r.asked.trained if r.asked.trained != r.asked.sampled else (),
        **noted,
    )


def _cut(path: Path, begun: int, done: int) -> None:
    """Cuts a log to the lines of the steps up to `done`. Raises RunError if one of the steps after `begun` has no line."""
    lines = [line for line in _lines(path) if line["step"] <= done]
    missing = set(range(begun + 1, done + 1)) - {line["step"] for line in lines}
    if missing:
        raise RunError(
            f"{path} has no line of step {min(missing)}, yet the training next to it is at step {done}; expected lines of all "
            f"steps; delete {path.parent} to train again"
        )
    write_jsonl(path, lines)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a JSONL file, without a last line that was cut off while being written."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found
