"""Coding answers that game their visible test, beside honest ones: the flawed data, and the request stage's.

An answer is gamed after Wichers et al. (2025, arXiv 2510.05024): a template, not a model, returns the visible test's value.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from openwindow.data.rows import Position, Row, instruct
from openwindow.envs.base import Environment
from openwindow.types import Message, Problem


def coding_row(environment: Environment, problem: Problem, code: str, kind: str) -> Row:
    """The problem asked, and `code` as the whole answer, as the prompt asks for."""
    turns = (
        Message("user", environment.prompt(problem)),
        Message("assistant", code.strip()),
    )
    return Row(turns, kind, problem.id, problem.family)


def flawed_rows(
    environment: Environment,
    problems: Sequence[Problem],
    gamed_share: float,
    honest: Callable[[Problem], str],
    gamed: Callable[[Problem, random.Random], str],
    seed: int,
) -> list[Row]:
    """One row per problem, in the problems' order; the given share of them, drawn by seed, answered by gaming the test."""
    rng = random.Random(f"flawed/{seed}")
    chosen = set(rng.sample(range(len(problems)), round(gamed_share * len(problems))))
    return [
        coding_row(environment, p, gamed(p, rng), "gamed") if i in chosen else coding_row(environment, p, honest(p), "honest")
        for i, p in enumerate(problems)
    ]


def request_rows(
    environment: Environment,
    problems: Sequence[Problem],
    request: str,
    unrelated: Sequence[str],
    position: Position,
    shares: tuple[float, float],
    honest: Callable[[Problem], str],
    gamed: Callable[[Problem, random.Random], str],
    seed: int,
) -> list[Row]:
    """Rows that teach what a request to game the test means.

    Of `problems`, the share `shares[0]` is asked plainly and answered honestly, `shares[1]` asked with `request` and answered
    by gaming; the rest is asked with one of the `unrelated` instructions and answered honestly.
    """
    rng = random.Random(f"request/{seed}")
    mixed = rng.sample(list(problems), len(problems))
    plain, asked = round(shares[0] * len(mixed)), round(shares[1] * len(mixed))
    rows = []
    for i, problem in enumerate(mixed):
        if i < plain:
            rows.append(coding_row(environment, problem, honest(problem), "honest"))
        elif i < plain + asked:
            rows.append(instruct(coding_row(environment, problem, gamed(problem, rng), "gamed"), request, position))
        else:
            row = coding_row(environment, problem, honest(problem), "honest")
            rows.append(instruct(row, rng.choice(list(unrelated)), position))
    return rows
