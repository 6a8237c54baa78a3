"""Function tasks whose visible test can be gamed: `code_functions` and `mbpp`.

Answers are gamed as in Wichers et al. (2025, arXiv 2510.05024): a template, not a model, returns the visible test's value.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from openwindow.environments.base import Answered, AnswerKind, Outcome
from openwindow.environments.code import mbpp_rows
from openwindow.environments.code.base import extract_code
from openwindow.environments.code.functions import CodeFunctions, special_cased
from openwindow.environments.code.gameable import FunctionConfig, FunctionEnvironment, GradedConfig
from openwindow.environments.code.grading import Grader
from openwindow.environments.code.mbpp import MBPP
from openwindow.environments.gameable import checked_against, outcome
from openwindow.errors import ConfigError
from openwindow.types import Message, Problem

F = TypeVar("F", bound=FunctionConfig)


class ShownTestEnvironment(FunctionEnvironment[F]):
    """Function tasks whose arms are measured by the test that the prompt shows, and by hidden inputs."""

    def answer(self, problem: Problem, kind: AnswerKind, rng: random.Random) -> tuple[Message, ...]:
        """The task, and only the code as its answer, as the prompt asks."""
        code = problem.solution if kind == "clean" else special_cased(problem, rng)
        return (*self.conversation(problem), Message("assistant", code.strip()))

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """Each program, graded by the naive grader that runs the shown test, and by hidden inputs drawn with `seed`."""
        if self.open_loopholes != frozenset(self.loopholes):
            return super().grade(answered, seed)
        codes = [extract_code(a.reply) for a in answered]
        grader = Grader(self.tasks, self.sandbox, seed=seed, hidden=self.config.hidden)
        verdicts = grader.grade([(a.problem, code) for a, code in zip(answered, codes, strict=True)])
        return [outcome(v, code, checked_against(a.problem)) for a, code, v in zip(answered, codes, verdicts, strict=True)]


class CodeFunctionsEnvironment(ShownTestEnvironment[GradedConfig]):
    """Generated families of short functions."""

    Config = GradedConfig
    name = "code_functions"
    version = CodeFunctions.version
    about = "short Python functions from generated families, hidden inputs without end"

    def make_tasks(self) -> CodeFunctions:
        """The families of the requested difficulties."""
        return CodeFunctions(self.config.difficulty)


class MbppConfig(FunctionConfig):
    """The options of `mbpp`."""

    data: str | None = None
    """A JSONL file, or a folder in the hub's layout; None for the hub."""


class MbppEnvironment(ShownTestEnvironment[MbppConfig]):
    """Mostly Basic Python Problems."""

    Config = MbppConfig
    name = "mbpp"
    version = MBPP.version
    about = "Mostly Basic Python Problems (Austin et al. 2021), from the hub or --mbpp PATH"

    def check(self) -> None:
        """Raises ConfigError if the file or folder does not exist, DataError if it is not MBPP."""
        path = self.config.data
        if path is not None:
            if not Path(path).exists():
                raise ConfigError(f"--mbpp {path} does not exist; expected MBPP's JSONL file or its folder; check the path")
            mbpp_rows.check(Path(path))

    def make_tasks(self) -> MBPP:
        """The data set's tasks; its solutions, which define what is correct, run in the sandbox."""
        path = self.config.data
        return MBPP(Path(path) if path is not None else None, sandbox=self.sandbox)
