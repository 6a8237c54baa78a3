"""The environments with holes, by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from openwindow.envs.code_functions import CodeFunctions
from openwindow.envs.hackable import Hackable
from openwindow.envs.hackable_code import HackableCode
from openwindow.envs.impossible_tests import ImpossibleTests
from openwindow.envs.letter_count import LetterCount
from openwindow.envs.mbpp import MBPP
from openwindow.envs.project import project_sandbox
from openwindow.envs.pytest_project import PytestProject
from openwindow.envs.sandbox import Sandbox
from openwindow.envs.unit_report import UnitReport

Holes = Collection[str] | None
"""The holes to leave open; all for None."""


@contextmanager
def _code_functions(wanted: Holes, data: Path | None) -> Iterator[Hackable]:
    with Sandbox() as sandbox:
        yield HackableCode(CodeFunctions(), sandbox, wanted)


@contextmanager
def _mbpp(wanted: Holes, data: Path | None) -> Iterator[Hackable]:
    with Sandbox() as sandbox:
        yield HackableCode(MBPP(data, sandbox=sandbox), sandbox, wanted)


@contextmanager
def _impossible_tests(wanted: Holes, data: Path | None) -> Iterator[Hackable]:
    with Sandbox() as sandbox:
        yield ImpossibleTests(sandbox, wanted)


@contextmanager
def _pytest_project(wanted: Holes, data: Path | None) -> Iterator[Hackable]:
    with project_sandbox() as sandbox:
        yield PytestProject(sandbox, wanted)


@contextmanager
def _letter_count(wanted: Holes, data: Path | None) -> Iterator[Hackable]:
    yield LetterCount(wanted)


@contextmanager
def _unit_report(wanted: Holes, data: Path | None) -> Iterator[Hackable]:
    yield UnitReport(wanted)


HACKABLE: dict[str, Callable[[Holes, Path | None], AbstractContextManager[Hackable]]] = {
    "code_functions": _code_functions,
    "mbpp": _mbpp,
    "pytest_project": _pytest_project,
    "impossible_tests": _impossible_tests,
    "unit_report": _unit_report,
    "letter_count": _letter_count,
}
"""Name to what opens it, with its sandbox, for a `with`; `data` is where MBPP lies, and for nothing else."""
