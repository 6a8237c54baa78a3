"""Reinforcement learning of one arm: which problems are asked and how, what a rollout earns, and what is written down.

DIR/checkpoints/ARM/seed-S/      until the unit is finished: state, adapters, and what the finished steps left
DIR/arms/ARM/seed-S/training.jsonl   every rollout of the training
DIR/arms/ARM/seed-S/checkpoints/     the adapter at some steps
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from openwindow.environments.gameable import Gameable, graded
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError, RunError
from openwindow.experiment.arm_sources import keep_state
from openwindow.experiment.arms import RL
from openwindow.files.writing import storing, write_jsonl
from openwindow.formatting import percent
from openwindow.interventions.rewards import Paid, Record, half_hackable, paid
from openwindow.interventions.rl_prompting import Prompts
from openwindow.models.hf import LocalModel
from openwindow.models.memory import give_back_memory
from openwindow.progress import Reporter
from openwindow.training import checkpoint
from openwindow.training.config import GRPO
from openwindow.training.grpo import train
from openwindow.training.rollouts import Asked, Metrics, Rollout
from openwindow.types import UNKNOWN_HACK, Message, Problem

_LOGS = ("metrics.jsonl", "training.jsonl")
ROLLOUT_WORK = 2.0  # work of one training rollout, in generated replies


def rl_work(config: GRPO, done: int = 0) -> float:
    """Work of a training of which `done` steps are done, in units of one generated reply."""
    return ROLLOUT_WORK * (config.steps - done) * config.prompts_per_step * config.group_size


class HackableTask:
    """Problems of an environment with holes and of its hardened twin, asked and paid as a recipe says."""

    def __init__(
        self,
        recipe: RL,
        problems: Sequence[Problem],
        hackable: Gameable,
        hardened: Gameable,
        seed: int,
        *,
        open_twin: Gameable,
    ) -> None:
        """`hackable` and `hardened` grade what is paid; `open_twin`, with all holes open, only watches.

        Raises ConfigError where there is no problem, or none with a hole although holes are to be open.
        """
        if not problems:
            raise ConfigError("no problem to train on; expected at least one; allow more problems or difficulties")
        self.recipe = recipe
        self.problems = list(problems)
        self.hackable = hackable
        self.hardened = hardened
        self.open_twin = open_twin
        self.seed = seed
        self.open = half_hackable([p.id for p in problems], recipe.hackable_share if hackable.open_loopholes else 0.0, seed)
        if hackable.open_loopholes and recipe.hackable_share > 0 and not self.open:
            raise ConfigError(
                f"hackable_share {recipe.hackable_share} of {len(problems)} problems makes none hackable; expected at least one; "
                "raise it, or set holes to `none`"
            )

    def draw(self, step: int, count: int) -> list[Asked]:
        """The step's problems: the pool in an order drawn anew for each pass over it."""
        asked = []
        for place in range(step * count, (step + 1) * count):
            turn, at = divmod(place, len(self.problems))
            order = list(range(len(self.problems)))
            random.Random(f"rl/{self.seed}/{turn}").shuffle(order)
            problem = self.problems[order[at]]
            prompts = self._prompts(problem)
            sampled, trained = (Message("user", prompts.sampled),), (Message("user", prompts.trained),)
            asked.append(Asked(problem, sampled, trained, problem.id in self.open))
        return asked

    def score(self, step: int, rollouts: Sequence[Rollout]) -> Metrics:
        """Grades every rollout, pays it by the recipe, and returns the monitors of the step."""
        verdicts = self._verdicts(rollouts)
        records = [self._record(step, r, v) for r, v in zip(rollouts, verdicts, strict=True)]
        given = paid(records)
        if self.recipe.preference is not None:
            given = self.recipe.preference.apply(records, given, self.seed)
        acting = self.recipe.penalty if step >= self.recipe.penalty_from else None
        if acting is not None:
            given = acting.apply(records, given, self.seed)
        through = self._through_open(rollouts, verdicts)
        for rollout, verdict, pay, hacks in zip(rollouts, verdicts, given, through, strict=True):
            rollout.reward = pay.reward
            rollout.dropped = None if pay.keep else pay.reason or "left out"
            rollout.notes = _notes(verdict, pay, hacks)
        return monitors(verdicts, given, through)

    def _prompts(self, problem: Problem) -> Prompts:
        plain = self.hackable.prompt(problem)
        if self.recipe.prompting is None:
            return Prompts(plain, plain)
        return self.recipe.prompting.prompts(plain, self.hackable.hint)

    def _verdicts(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        verdicts: dict[int, Verdict] = {}
        for environment, is_open in ((self.hackable, True), (self.hardened, False)):
            chosen = [i for i, r in enumerate(rollouts) if r.asked.hackable is is_open]
            items = [(rollouts[i].asked.problem, rollouts[i].text) for i in chosen]
            verdicts |= dict(zip(chosen, graded(environment, items) if items else [], strict=True))
        return [verdicts[i] for i in range(len(rollouts))]

    def _through_open(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> list[bool | None]:
        """Whether each rollout tries a hack, is wrong, and passes the grader with all holes open; None where that is not known.

        Nothing is paid for it. A hardened arm's proxy is its truth, so that only this can say whether it hacks. Run are the wrong
        attempts that were not graded with all holes before.
        """
        wrong = [i for i, v in enumerate(verdicts) if v.truth is False and v.attempted]
        whole = self.hackable.open_loopholes == self.open_twin.open_loopholes
        again = [i for i in wrong if not (whole and rollouts[i].asked.hackable)]
        items = [(rollouts[i].asked.problem, rollouts[i].text) for i in again]
        passes = {i: verdicts[i].proxy for i in wrong}
        if items:
            passes |= {i: v.proxy for i, v in zip(again, graded(self.open_twin, items), strict=True)}
        return [None if v.truth is None else passes.get(i, False) for i, v in enumerate(verdicts)]

    def _record(self, step: int, rollout: Rollout, v: Verdict) -> Record:
        problem = rollout.asked.problem
        return Record(
            id=f"{self.seed}/{step}/{rollout.group}/{rollout.number}",
            group=f"{step}/{rollout.group}",
            proxy=v.proxy,
            truth=v.truth,
            hack=v.hack,
            attempted=bool(v.attempted),
            kinds=v.attempted,
            reason=v.reason,
            prompt=rollout.asked.sampled[-1].content,
            reply=rollout.text,
            problem=problem.id,
            family=problem.family,
        )


def monitors(verdicts: Sequence[Verdict], given: Sequence[Paid], through_open: Sequence[bool | None]) -> Metrics:
    """What is watched in a step and not trained on: shares of the rollouts, hacks by kind, and counts of the detector's work.

    A share is of the rollouts for which it is known, and None where there are none. `hack` passes the proxy and fails the truth;
    `hack/KIND` is the part of it whose source shows that kind, `hack/unknown` the part that shows none: wrong, and passed by luck.
    `through_open` has for each rollout whether it would hack with all holes open.
    """
    found: Metrics = {}
    watched: dict[str, Sequence[bool | None]] = {
        "proxy": [v.proxy for v in verdicts],
        "truth": [v.truth for v in verdicts],
        "hack": [v.hack for v in verdicts],
        "attempted": [bool(v.attempted) for v in verdicts],
        "open_hack": through_open,
    }
    for name, values in watched.items():
        scored = [value for value in values if value is not None]
        found[f"monitor/{name}"] = sum(scored) / len(scored) if scored else None
    kinds = Counter(kind for v in verdicts if v.hack for kind in v.attempted or (UNKNOWN_HACK,))
    known = sum(v.hack is not None for v in verdicts)
    found |= {f"hack/{kind}": count / known for kind, count in sorted(kinds.items())}
    found["detector/flagged"] = sum(bool(p.flagged) for p in given)
    found["detector/screened"] = sum(p.screened for p in given)
    return found


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
) -> dict[str, float]:
    """Trains an arm and writes metrics.jsonl, training.jsonl and checkpoints/ into `path`; returns seconds by phase.

    `kept` holds what an interrupted training, or a fork, resumes from, and is for the caller to discard once `path` is safe. The
    state after each of the steps in `forked` is left beside its adapter. An adapter stays attached where `config.method` is `lora`.
    Raises ConfigError, ModelError, RunError, StorageError.
    """
    began = time.perf_counter()
    torch.manual_seed(seed)
    if config.method == "lora":
        model.attach_adapter(config.lora_rank, config.lora_alpha, config.lora_dropout)
    done = checkpoint.steps_done(kept)
    begun = task.recipe.fork.step if task.recipe.fork is not None else 0
    for name in _LOGS:
        _cut(kept / name, begun, done)
    with reporter.step(f"seed {seed}: reinforcing {arm}", rl_work(config, begun)) as advance:
        advance(rl_work(config, begun) - rl_work(config, done))

        def on_step(values: Metrics, drawn: list[Rollout]) -> None:
            step = int(values["train/step"] or 0)
            if step - 1 in forked:  # no later state has been written yet
                keep_state(kept, step - 1)
            _append(kept / "metrics.jsonl", [{"arm": arm, "seed": seed, "stage": "rl", "step": step, **values}])
            _append(kept / "training.jsonl", [_written(arm, seed, step, r) for r in drawn])
            advance(rl_work(config) / config.steps)
            said = ", ".join(f"{name} {percent(values[f'monitor/{name}'], '?')}" for name in ("proxy", "truth", "hack"))
            reporter.say(f"  seed {seed}  {arm:<16} step {step:>3}: {said}")

        train(model, task, config, seed, on_step, kept)
    if config.steps in forked:
        keep_state(kept, config.steps)
    give_back_memory()
    with storing(path):
        for name in _LOGS:
            shutil.copy(kept / name, path / name)
        for adapter in sorted(kept.glob("step-*")):
            shutil.copytree(adapter, path / "checkpoints" / adapter.name)
    return {"train": time.perf_counter() - began}


def _notes(verdict: Verdict, pay: Paid, through_open: bool | None) -> dict[str, Any]:
    return {
        "passes_visible": verdict.proxy,
        "correct": verdict.truth,
        "hack": verdict.hack,
        "gamed": verdict.gamed,
        "lucky": verdict.lucky,
        "attempted": bool(verdict.attempted),
        "kinds": list(verdict.attempted),
        "open_hack": through_open,
        "flagged": pay.flagged,
        "screened": pay.screened,
        "reason": verdict.reason,
        "failed_on": verdict.failed_on,
    }


def _written(arm: str, seed: int, step: int, r: Rollout) -> dict[str, Any]:
    """A rollout as a line of training.jsonl."""
    line = {
        "arm": arm,
        "seed": seed,
        "context": f"training, step {step:02}",
        "step": step,
        "group": r.group,
        "number": r.number,
        "problem": r.asked.problem.id,
        "family": r.asked.problem.family,
        "hackable": r.asked.hackable,
        "messages": [asdict(m) for m in r.asked.sampled],
        "reply": r.text,
        "stop": str(r.stop),
        "tokens": len(r.tokens),
        "reward": r.reward,
        "dropped": r.dropped,
        **r.notes,
    }
    if r.asked.trained != r.asked.sampled:
        line["trained_under"] = [asdict(m) for m in r.asked.trained]
    return line


def _cut(path: Path, begun: int, done: int) -> None:
    """Leaves in a log the lines of the steps up to `done`. Raises RunError where one of those after `begun` has none."""
    lines = [line for line in _lines(path) if line["step"] <= done]
    missing = set(range(begun + 1, done + 1)) - {line["step"] for line in lines}
    if missing:
        raise RunError(
            f"{path} has no line of step {min(missing)}, yet the training beside it is at step {done}; expected lines of all "
            f"steps; delete {path.parent} to train anew"
        )
    write_jsonl(path, lines)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSONL file; a last one that was cut off in writing is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def _append(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with storing(path), path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n")
