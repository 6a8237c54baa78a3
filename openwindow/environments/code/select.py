"""Environments by name, and the disjoint sets of training problems that a study's stages draw from."""

from __future__ import annotations

import random
from typing import Literal

from openwindow.environments.code.base import Environment
from openwindow.environments.code.families import FAMILIES, train_halves
from openwindow.environments.code.functions import CodeFunctions
from openwindow.types import Problem

Stage = Literal["request", "flawed"]

ENVIRONMENTS = {
    "code_functions": "short Python functions from generated families, hidden inputs without end",
    "mbpp": "Mostly Basic Python Problems (Austin et al. 2021), from the hub or --mbpp PATH",
}


def training_problems(environment: Environment, stage: Stage, count: int, seed: int) -> list[Problem]:
    """`count` training problems of a stage; no family is in both stages, whatever the seeds."""
    if isinstance(environment, CodeFunctions):
        half = train_halves()[0 if stage == "request" else 1]
        families = [name for name in half if FAMILIES[name].difficulty in environment.difficulty]
        return environment.problems("train", count, seed, families=families)
    pool = environment.problems("train", 2 * count, 0)  # a longer list begins as a shorter one does, so every other is one half
    return random.Random(f"{stage}/{seed}").sample(pool[stage == "flawed" :: 2], count)
