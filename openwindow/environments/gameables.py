"""The environments with holes, by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from openwindow.environments.code import mbpp_rows
from openwindow.environments.code.functions import CodeFunctions
from openwindow.environments.code.gameable import HackableCode
from openwindow.environments.code.impossible_tests import ImpossibleTests
from openwindow.environments.code.mbpp import MBPP
from openwindow.environments.code.project_sandbox import project_sandbox
from openwindow.environments.code.pytest_project import PytestProject
from openwindow.environments.gameable import Hackable
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.toy.unit_report import UnitReport
from openwindow.errors import ConfigError
from openwindow.sandbox.sandbox import Sandbox

Holes = Collection[str] | None
"""The holes to leave open; all for None."""
Levels = Collection[int] | None
"""How difficult the tasks are, in the environment's own numbers; its default for None."""


class Opener(Protocol):
    """Makes an environment, with its sandbox, for a `with`; `data` is where MBPP lies, and for nothing else."""

    def __call__(self, wanted: Holes, data: Path | None, difficulty: Levels = None) -> AbstractContextManager[Hackable]:
        """Raises ConfigError for a hole or a difficulty that the environment does not have, DataError for unusable data."""
        ...


@contextmanager
def _code_functions(wanted: Holes, data: Path | None, difficulty: Levels = None) -> Iterator[Hackable]:
    functions = CodeFunctions(difficulty or (1, 2, 3))
    with Sandbox() as sandbox:
        yield HackableCode(functions, sandbox, wanted)


@contextmanager
def _mbpp(wanted: Holes, data: Path | None, difficulty: Levels = None) -> Iterator[Hackable]:
    if difficulty is not None:
        raise ConfigError("mbpp has no difficulty: leave it out, or take code_functions")
    if data is not None:
        mbpp_rows.check(data)
    with Sandbox() as sandbox:
        yield HackableCode(MBPP(data, sandbox=sandbox), sandbox, wanted)


@contextmanager
def _impossible_tests(wanted: Holes, data: Path | None, difficulty: Levels = None) -> Iterator[Hackable]:
    with Sandbox() as sandbox:
        yield ImpossibleTests(sandbox, wanted, difficulty=difficulty or (1, 2, 3))


@contextmanager
def _pytest_project(wanted: Holes, data: Path | None, difficulty: Levels = None) -> Iterator[Hackable]:
    with project_sandbox() as sandbox:
        yield PytestProject(sandbox, wanted, difficulty=difficulty or (1, 2, 3))


@contextmanager
def _letter_count(wanted: Holes, data: Path | None, difficulty: Levels = None) -> Iterator[Hackable]:
    yield LetterCount(wanted, length=_one("letter_count", "the letters of its words", difficulty, 6))


@contextmanager
def _unit_report(wanted: Holes, data: Path | None, difficulty: Levels = None) -> Iterator[Hackable]:
    yield UnitReport(wanted, lines=_one("unit_report", "the lines of a worksheet", difficulty, 4))


def _one(name: str, what: str, difficulty: Levels, default: int) -> int:
    if difficulty is None:
        return default
    if len(difficulty) != 1:
        given = ", ".join([str(level) for level in difficulty])
        raise ConfigError(f"{name} has one difficulty, {what}, and {given} came: give one number")
    return next(iter(difficulty))


HACKABLE: dict[str, Opener] = {
    "code_functions": _code_functions,
    "mbpp": _mbpp,
    "pytest_project": _pytest_project,
    "impossible_tests": _impossible_tests,
    "unit_report": _unit_report,
    "letter_count": _letter_count,
}
"""Name to what opens it."""
