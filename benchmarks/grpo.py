"""Rollouts per second of `openwindow.training.grpo` against TRL's `GRPOTrainer`: same model, prompts, LoRA and precision.

    python benchmarks/grpo.py [--prompts 4] [--group 8] [--tokens 32] [--steps 2] [--repeats 2] [--model smollm2] [--device auto]

A step samples `group` replies to each of `prompts` problems, scores them by the same function of their text, and takes one
optimiser step; the reward is drawn from a hash of the reply, so that every group has a signal for both. Runs are interleaved; the
first step of each run is warm-up and not counted. The last line is `ratio R`: ours over TRL's, medians.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import warnings
from collections.abc import Sequence

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import trl_run
from device import peak, where
from trl import GRPOConfig, GRPOTrainer
from turns import Way, by_turns

from openwindow.environments.code.functions import CodeFunctions
from openwindow.models.hf import load
from openwindow.training.config import GRPO
from openwindow.training.grpo import train
from openwindow.training.rollouts import Asked, Metrics, Rollout
from openwindow.types import Message, Problem


def reward(reply: str) -> float:
    """0 or 1 by a hash of the reply: cheap, and different within nearly every group."""
    return float(hashlib.sha256(reply.encode()).digest()[0] % 2)


class Hashed:
    """The problems of the benchmark, scored by `reward`."""

    def __init__(self, problems: Sequence[Problem], prompts: Sequence[str]) -> None:
        self.asked = [Asked(p, (Message("user", t),), (Message("user", t),)) for p, t in zip(problems, prompts, strict=True)]

    def draw(self, step: int, count: int) -> list[Asked]:
        """All of them, at each step."""
        return self.asked[:count]

    def score(self, step: int, rollouts: Sequence[Rollout]) -> Metrics:
        """Sets the rewards."""
        for rollout in rollouts:
            rollout.reward = reward(rollout.text)
        return {}


def ours(problems: Sequence[Problem], prompts: Sequence[str], chosen: argparse.Namespace) -> list[float]:
    """Seconds of each step."""
    model = load(chosen.model, device=chosen.device)
    config = GRPO(
        steps=chosen.steps + 1, prompts_per_step=len(prompts), group_size=chosen.group, max_new_tokens=chosen.tokens, monitor_kl=0
    )
    torch.manual_seed(0)
    model.attach_adapter(config.lora_rank, config.lora_alpha, 0.0)
    seconds: list[float] = []
    train(model, Hashed(problems, prompts), config, 0, lambda m, _: seconds.append(float(m["time/seconds"] or 0.0)))
    return seconds[1:]


def trl(problems: Sequence[Problem], prompts: Sequence[str], chosen: argparse.Namespace) -> list[float]:
    """Seconds of each step of `GRPOTrainer`."""
    model = load(chosen.model, device=chosen.device)  # the same loader, so that the weights are the same
    data = [{"prompt": [{"role": "user", "content": text}]} for text in prompts] * (chosen.steps + 1)
    settings = {
        "per_device_train_batch_size": len(prompts) * chosen.group,
        "num_generations": chosen.group,
        "max_completion_length": chosen.tokens,
        "max_steps": chosen.steps + 1,
        "lr_scheduler_type": "constant",
        "beta": 0.0,
        "epsilon_high": 0.28,
        "loss_type": "bnpo",
        "shuffle_dataset": False,
    }

    def rewards(completions: Sequence[Sequence[dict[str, str]]], **_: object) -> list[float]:
        return [reward(c[0]["content"]) for c in completions]

    return trl_run.run(GRPOTrainer, GRPOConfig, model, data, settings, adapter=GRPO(), reward_funcs=rewards)[0]


def measured(seconds: Sequence[float], rollouts: int) -> tuple[list[float], str]:
    """Rollouts per second of each step, and a description."""
    said = ", ".join(f"{s:.1f}" for s in seconds)
    return [rollouts / s for s in seconds], f"{said} s a step; {peak()}"


def main() -> None:
    """Runs both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    where(parser)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    environment = CodeFunctions((2, 3))
    problems = environment.problems("train", chosen.prompts, 0)
    prompts = [environment.prompt(p) for p in problems]
    rollouts = chosen.prompts * chosen.group
    ways: dict[str, Way] = {
        "openwindow": lambda: measured(ours(problems, prompts, chosen), rollouts),
        "TRL": lambda: measured(trl(problems, prompts, chosen), rollouts),
    }
    by_turns(ways, chosen.repeats, "rollouts/s")


if __name__ == "__main__":
    main()
