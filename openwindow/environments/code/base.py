"""Where the function tasks of an environment come from, and the few things that all programming tasks share."""

from __future__ import annotations

import ast
import random
import re
from typing import Literal, Protocol

from openwindow.types import Case, Problem

Part = Literal["train", "dev", "test"]
"""A part of a source of tasks. Environments divide `train` once more, into the splits `request` and `train`."""
Stage = Literal["request", "train"]
"""A part of `train`."""

_FENCE = re.compile(r"```[a-zA-Z0-9_+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


_STATEMENT = re.compile(r"(?:def|import|from|class|async)\s|@\w")


class FunctionTasks(Protocol):
    """Function tasks: problems, their prompts, and how the hidden inputs of their truth are drawn."""

    @property
    def name(self) -> str:
        """The prefix of their ids."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever problems, prompt or scoring change."""
        ...

    def problems(self, part: Part, count: int, seed: int) -> list[Problem]:
        """`count` distinct problems of the part's families, the same for the same seed."""
        ...

    def training(self, stage: Stage, count: int, seed: int) -> list[Problem]:
        """`count` distinct problems of one half of `train`; no family is in both halves, whatever the seeds. Raises DataError."""
        ...

    def prompt(self, problem: Problem) -> str:
        """The user message that asks for the problem's solution and shows its visible tests."""
        ...

    def hidden_cases(self, problem: Problem, rng: random.Random, count: int) -> list[Case]:
        """`count` cases that the prompt does not show, drawn with `rng`; never equal to a visible one.

        At least one of them has an expected value that differs from every visible expected value, so that no constant
        answer can pass.
        """
        ...


def call_text(entry_point: str, args: tuple[object, ...]) -> str:
    """The call as Python source: `f(1, 'a')`."""
    return f"{entry_point}({', '.join(repr(a) for a in args)})"


def assert_text(entry_point: str, case: Case) -> str:
    """The case as a Python assert statement: `assert f(1, 'a') == 3`."""
    return f"assert {call_text(entry_point, case.args)} == {case.expected!r}"


def extract_code(reply: str) -> str:
    """The program in a model's reply.

    A reply that begins with code (a line that starts with `def`, `import`, `from`, `class` or `@` before any fence) is taken up
    to its first fence. Otherwise it is the first fenced block that parses as Python, or else the first fenced block; without a
    fence, the reply from its first such line, or all of it.
    """
    head, fence, _ = reply.partition("```")
    if fence and (bare := _from_first_statement(head)) is not None:
        return bare
    blocks = [str(b) for b in _FENCE.findall(reply)]
    for block in [b for b in blocks if _parses(b)] or blocks:
        return block.strip("\n") + "\n"
    return _from_first_statement(reply) or reply.strip() + "\n"


def _from_first_statement(text: str) -> str | None:
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if _STATEMENT.match(line):
            return "\n".join(lines[i:]).rstrip() + "\n"
    return None


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
