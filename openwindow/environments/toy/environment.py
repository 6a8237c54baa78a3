"""Environments with holes as settings: `letter_count`, `unit_report` and `impossible_tests`, and what the holes are opened by."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, runtime_checkable

from openwindow.environments.base import Answered, Example, Group, Options, Outcome, same_question
from openwindow.environments.code.environment import MEASURES, outcome
from openwindow.environments.code.impossible_tests import ImpossibleTests
from openwindow.environments.code.select import Stage
from openwindow.environments.gameable import Hackable, Submission
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.toy.unit_report import UnitReport
from openwindow.sandbox.sandbox import Sandbox
from openwindow.types import Message, Problem


@runtime_checkable
class WithHoles(Protocol):
    """A setting whose grader has holes that can be opened and closed."""

    def with_holes(self, wanted: Collection[str] | None) -> Hackable:
        """The tasks with a grader that has the `wanted` holes, all for None. Raises ConfigError for an unknown loophole."""
        ...


class Staged(Hackable, Protocol):
    """An environment whose training split has families of their own for the stage before all arms."""

    def training(self, stage: Stage, count: int, seed: int) -> list[Problem]:
        """`count` problems of the train split; no family is in both stages, whatever the seeds. Raises DataError."""
        ...


class Tasks:
    """The tasks of one environment; a reply is flawed if it goes through the first open hole."""

    version = 2
    measures = MEASURES
    kinds = ("gamed", "honest")

    def __init__(self, name: str, make: Callable[[Tasks, Collection[str] | None], Staged]) -> None:
        self.name = name
        self._make = make
        self._open = ExitStack()
        self._sandbox: Sandbox | None = None

    @property
    def sandbox(self) -> Sandbox:
        """Where programs run; started when first asked for."""
        if self._sandbox is None:
            self._sandbox = self._open.enter_context(Sandbox())
        return self._sandbox

    def with_holes(self, wanted: Collection[str] | None) -> Staged:
        """The environment with these holes."""
        return self._make(self, wanted)

    def check(self) -> None:
        """Nothing can be missing."""

    def problems(self, group: Group, count: int, seed: int) -> list[Problem]:
        """Tasks of the group's families. Raises DataError."""
        environment = self.with_holes(None)
        if group == "request" or group == "train":
            return environment.training("request" if group == "request" else "flawed", count, seed)
        return environment.problems(group, count, seed)

    def canonical(self, problem: Problem) -> str:
        """The task without its tests."""
        return same_question(problem.statement)

    def conversation(self, problem: Problem) -> tuple[Message, ...]:
        """The task."""
        return (Message("user", self.with_holes(None).prompt(problem)),)

    def example(self, problem: Problem, how: Example, rng: random.Random) -> tuple[Message, ...]:
        """The task with its solution, or with a written hack."""
        environment = self.with_holes(None)
        given = environment.honest(problem) if how == "clean" else rng.choice(list(environment.hacks(problem).values()))
        return (*self.conversation(problem), Message("assistant", text_of(given)))

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """Each reply by the grader with all holes, and by the truth."""
        environment = self.with_holes(None)
        given = [environment.submission(a.reply) for a in answered]
        verdicts = environment.grade([(a.problem, submission) for a, submission in zip(answered, given, strict=True)])
        return [outcome(v, text_of(s), (a.problem.solution,)) for a, s, v in zip(answered, given, verdicts, strict=True)]

    def __enter__(self) -> Tasks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()


def text_of(submission: Submission) -> str:
    """A submission as one text."""
    return submission.strip() if isinstance(submission, str) else "\n".join(submission.values()).strip()


def letter_count(options: Options) -> Tasks:
    """Words of 4, 6 or 8 letters by the lowest difficulty asked for."""
    return Tasks("letter_count", lambda tasks, wanted: LetterCount(wanted, length=2 + 2 * min(options.difficulty)))


def unit_report(options: Options) -> Tasks:
    """Worksheets of 2, 3 or 4 lines by the lowest difficulty asked for."""
    return Tasks("unit_report", lambda tasks, wanted: UnitReport(wanted, lines=1 + min(options.difficulty)))


def impossible_tests(options: Options) -> Tasks:
    """Function tasks whose tests contradict them."""

    def make(tasks: Tasks, wanted: Collection[str] | None) -> Staged:
        return ImpossibleTests(tasks.sandbox, wanted, difficulty=options.difficulty, hidden=options.hidden)

    return Tasks("impossible_tests", make)
