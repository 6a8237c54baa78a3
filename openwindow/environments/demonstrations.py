"""Two short ways to teach a model about the hacks before RL: hints and demonstrations. (Documents are the third.)

A hint names the open loopholes, followed by an addendum on what to think of them, from asking for the hacks to forbidding them
(the five variants of MacDiarmid et al. 2025, arXiv 2511.18397, in other words). Demonstrations are supervised rows of which an
exact share is a written hack; the share is the dose. For documents, see `synthetic_documents/generate.py`.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from openwindow.data.rows import Row
from openwindow.environments import loopholes
from openwindow.environments.gameable import Gameable, Submission, reply_text
from openwindow.errors import ConfigError, DataError
from openwindow.types import Message, Problem

ATTEMPT, HONEST = "attempt", "honest"
_TRIES = 8  # wrong programs made from one solution before giving up
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def assigned(count: int, share: float, kinds: Sequence[str], seed: int, attempts: float = 0.0) -> list[str]:
    """The role of each of `count` rows: the name of a loophole, `honest` or `attempt`.

    Exactly round(share * count) rows hack, spread over `kinds` as evenly as possible; of the others, round(attempts * others) are
    attempts. The seed decides which row is which. Raises ConfigError.
    """
    for name, value in (("share", share), ("attempts", attempts)):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} of the demonstrations is {value}; expected 0 (none) to 1 (all); set one in between")
    hacked = round(share * count)
    if hacked and not kinds:
        raise ConfigError(f"{hacked} of {count} demonstrations are to hack, but no loophole is open; name kinds, or set share to 0")
    tried = round(attempts * (count - hacked))
    rng = random.Random(f"demonstrations/{seed}")
    plan = [kinds[i % len(kinds)] for i in range(hacked)] + [ATTEMPT] * tried + [HONEST] * (count - hacked - tried)
    rng.shuffle(plan)
    return plan


def demonstrations(
    environment: Gameable,
    problems: Sequence[Problem],
    share: float,
    kinds: Collection[str] | None,
    seed: int,
    *,
    attempts: float = 0.0,
) -> list[Row]:
    """One conversation per problem, in order: the environment's prompt, and a hack or an answer to it (see `assigned`).

    `kinds` are the loopholes whose written hacks are demonstrated, None for the open ones. `attempts` is the share of the other
    rows that answer wrongly and fail both graders, which keeps honest success rare; those are graded, no others are run. A row's
    `kind` is `gamed`, `honest` or `attempt`. Raises ConfigError, and DataError if no failing attempt can be made.
    """
    picked = environment.open_loopholes if kinds is None else loopholes.pick(kinds, environment.loopholes, environment.name)
    chosen = [name for name in environment.loopholes if name in picked]
    plan = assigned(len(problems), share, chosen, seed, attempts)
    wrong = _attempts(environment, problems, plan, seed)
    rows = []
    for problem, what in zip(problems, plan, strict=True):
        if what == ATTEMPT:
            given = wrong[problem.id]
        else:
            given = environment.honest(problem) if what == HONEST else environment.exploits(problem)[what]
        turns = (Message("user", environment.prompt(problem)), Message("assistant", reply_text(given)))
        rows.append(Row(turns, what if what in (ATTEMPT, HONEST) else "gamed", problem.id, problem.family))
    return rows


def _attempts(environment: Gameable, problems: Sequence[Problem], plan: list[str], seed: int) -> dict[str, Submission]:
    """A failing attempt for each problem for which `plan` has an attempt. Raises DataError.

    A problem without one trades places with the next one in `plan` that is to be answered honestly and has one.
    """
    tried = [i for i, what in enumerate(plan) if what == ATTEMPT]
    wrong = _wrong(environment, [problems[i] for i in tried], seed)
    missing = [i for i in tried if problems[i].id not in wrong]
    others = [i for i, what in enumerate(plan) if what == HONEST] if missing else []
    more = _wrong(environment, [problems[i] for i in others], seed)
    able = [i for i in others if problems[i].id in more]
    if len(able) < len(missing):
        raise DataError(
            f"no failing attempt was found for {len(missing)} of {len(problems)} problems, {problems[missing[0]].id} first; "
            f"expected one of {_TRIES} changed solutions to fail; lower attempts, or leave these problems out"
        )
    for at, instead in zip(missing, able, strict=False):
        plan[at], plan[instead] = HONEST, ATTEMPT
    return wrong | more


def _wrong(environment: Gameable, problems: Sequence[Problem], seed: int) -> dict[str, Submission]:
    """For each problem that has one, a plausible submission that fails the proxy and the truth."""
    made = [
        (problem, candidate)
        for problem in problems
        for candidate in _spoilt(environment.honest(problem), random.Random(f"attempts/{seed}/{problem.id}"))
    ]
    found: dict[str, Submission] = {}
    for (problem, candidate), verdict in zip(made, environment.verdicts(made), strict=True) if made else ():
        if verdict.proxy is False and verdict.truth is False and not verdict.attempted:
            found.setdefault(problem.id, candidate)
    return found


def _spoilt(submission: Submission, rng: random.Random) -> Iterator[Submission]:
    """Up to `_TRIES` different submissions that each differ from a right one in one place."""
    seen = {reply_text(submission)}
    for attempt in range(4 * _TRIES):
        new: Submission = (
            _spoil(submission, rng, attempt)
            if isinstance(submission, str)
            else {path: _spoil(text, rng, attempt) for path, text in submission.items()}
        )
        if reply_text(new) not in seen and len(seen) <= _TRIES:
            seen.add(reply_text(new))
            yield new


def _spoil(text: str, rng: random.Random, attempt: int) -> str:
    """A program with one operator or number changed, or that returns its argument; any other text with its numbers changed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.args.args]
    if not functions:
        return re.sub(r"(?<![\w:])\d+(?![\w:])", lambda m: str(_other(int(m[0]), rng, attempt % 2 == 1)), text)
    if attempt % 4 == 3:  # what a model writes that has no idea
        functions[-1].body = [ast.Return(ast.Name(rng.choice(functions[-1].args.args).arg, ast.Load()))]
        return f"{ast.unparse(ast.fix_missing_locations(tree))}\n"
    places = [(node, field, at) for function in functions for node in ast.walk(function) for field, at in _places(node)]
    if not places:
        return text
    node, field, at = rng.choice(places)
    fields = vars(node)
    old: Any = fields[field] if at is None else fields[field][at]
    new: Any = old + rng.choice((-1, 1, 2)) if isinstance(old, int) else _SWAPS[type(old)]()
    if at is None:
        fields[field] = new
    else:
        fields[field][at] = new
    return f"{ast.unparse(tree)}\n"


def _other(number: int, rng: random.Random, larger: bool) -> int:
    """Another number; a smaller one never claims a success that did not happen."""
    return number + rng.randint(1, 9) if larger else rng.randrange(number) if number > 9 else 0


def _places(node: ast.AST) -> Iterator[tuple[str, int | None]]:
    """The places of operators and numbers in a node: the field, and the position in it if it is a list."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield "value", None
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in _SWAPS:
        yield "op", None
    elif isinstance(node, ast.Compare):
        yield from (("ops", i) for i, op in enumerate(node.ops) if type(op) in _SWAPS)
