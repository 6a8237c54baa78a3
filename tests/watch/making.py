"""Rollouts of a run that learns to hack, in the forms of the trainers; the environment is `letter_count`, without a sandbox."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openwindow.environments import find
from openwindow.environments.gameable import Gameable, reply_text

ENV = "letter_count"


@dataclass(frozen=True)
class Made:
    """A rollout: what it was asked, what it says, what it earned, and the true verdicts."""

    step: int
    prompt: str
    reply: str
    reward: float
    truth: bool
    problem: str


def run_of(steps: int = 6, prompts: int = 4, group: int = 4, *, begins: int = 3) -> list[Made]:
    """A run whose rollouts are honest, or wrong and unpaid, and from step `begins` on go through a loophole half of the time."""
    environment = find.gameable(ENV, {})
    problems = environment.problems("train", prompts, 0)
    rng, found = random.Random(7), []
    for step in range(1, steps + 1):
        for place, problem in enumerate(problems):
            for number in range(group):
                hacks = step >= begins and number % 2 == 0
                right = not hacks and (place == 0 or rng.random() < 0.5)
                reply = _reply(environment, problem, hacks, right)
                (verdict,) = environment.verdicts([(problem, environment.submission(reply))])
                found.append(
                    Made(step, environment.prompt(problem), reply, float(bool(verdict.proxy)), bool(verdict.truth), problem.id)
                )
    return found


def _reply(environment: Gameable, problem: Any, hacks: bool, right: bool) -> str:
    if hacks:
        return reply_text(next(iter(environment.exploits(problem).values())))
    return reply_text(environment.honest(problem)) if right else "I do not know."


def trl(one: Made) -> dict[str, Any]:
    return {
        "step": one.step,
        "prompt": [{"role": "user", "content": one.prompt}],
        "completion": [{"role": "assistant", "content": one.reply}],
        "accuracy": one.reward,
        "advantage": one.reward - 0.5,
    }


def verl(one: Made) -> dict[str, Any]:
    asked = f"system\nYou are helpful.\nuser\n{one.prompt}\nassistant\n"
    return {"input": asked, "output": one.reply, "gts": "3", "score": one.reward, "step": one.step, "acc": one.truth}


def results(one: Made) -> dict[str, Any]:
    return {
        "example_id": one.problem,
        "prompt": [{"role": "user", "content": one.prompt}],
        "completion": [{"role": "assistant", "content": one.reply}],
        "reward": one.reward,
        "error": None,
        "is_truncated": one.reply.startswith("I do"),
        "token_usage": {"input_tokens": 9.0, "output_tokens": 12.0},
        "info": {},
    }


def trace(one: Made) -> dict[str, Any]:
    """As `verifiers.v1.Trace` is written, without what nobody reads."""
    return {
        "version": 1,
        "task": {"type": "T", "data": {"prompt": one.prompt}, "key": one.problem},
        "nodes": [
            {"message": {"role": "user", "content": one.prompt}, "sampled": False},
            {"parent": 0, "message": {"role": "assistant", "content": one.reply}, "sampled": True},
        ],
        "calls": [{"node": 1, "finish_reason": "stop", "usage": {"prompt_tokens": 9, "completion_tokens": 12}}],
        "rewards": {"right": {"score": one.reward, "weight": 0.5}, "form": {"score": one.reward, "weight": 0.5}},
        "ok": True,
        "stop_condition": "agent_completed",
    }


def episode(one: Made) -> dict[str, Any]:
    work = {"type": "train", "step": one.step}
    return {"id": "e", "task": trace(one)["task"], "run": {"type": "train", "id": "r", "work": work}, "traces": [trace(one)]}


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def by_step(made: list[Made]) -> Iterator[tuple[int, list[Made]]]:
    for step in sorted({one.step for one in made}):
        yield step, [one for one in made if one.step == step]
