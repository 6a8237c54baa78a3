"""Training rows of an environment: the flawed data, and those that teach what a request means."""

from __future__ import annotations

import random
from collections.abc import Sequence

from openwindow.data.rows import Position, Row, instruct
from openwindow.environments.base import AnswerKind, Environment, Problem


def row(environment: Environment, problem: Problem, kind: AnswerKind, rng: random.Random) -> Row:
    """The problem with its answer."""
    flawed, clean = environment.row_kinds
    return Row(environment.answer(problem, kind, rng), clean if kind == "clean" else flawed, problem.id, problem.family)


def flawed_rows(environment: Environment, problems: Sequence[Problem], flawed_share: float, seed: int) -> list[Row]:
    """One row per problem, in the problems' order; the given share of them, drawn by seed, is flawed."""
    rng = random.Random(f"flawed/{seed}")
    chosen = set(rng.sample(range(len(problems)), round(flawed_share * len(problems))))
    return [row(environment, p, "flawed" if i in chosen else "clean", rng) for i, p in enumerate(problems)]


def request_rows(
    environment: Environment,
    problems: Sequence[Problem],
    requests: Sequence[str],
    unrelated: Sequence[str],
    position: Position,
    shares: tuple[float, float],
    seed: int,
    own: str | None = None,
) -> list[Row]:
    """Rows that teach what a request for the unwanted behaviour means.

    Of `problems`, the share `shares[0]` is asked plainly and answered cleanly; `shares[1]` is asked with one of `requests` and
    answered accordingly; the rest is asked with one of the `unrelated` instructions and answered cleanly. `own` as in
    `openwindow.data.rows.place`.
    """
    rng = random.Random(f"request/{seed}")
    mixed = rng.sample(list(problems), len(problems))
    plain, asked = round(shares[0] * len(mixed)), round(shares[1] * len(mixed))
    rows = []
    for i, problem in enumerate(mixed):
        if i < plain:
            rows.append(row(environment, problem, "clean", rng))
        elif i < plain + asked:
            answered = row(environment, problem, "elicited", rng)
            request = requests[0] if len(requests) == 1 else rng.choice(list(requests))
            rows.append(instruct(answered, request, position, own))
        else:
            rows.append(instruct(row(environment, problem, "clean", rng), rng.choice(list(unrelated)), position, own))
    return rows
