"""What an environment with holes is: tasks, a grader that can be gamed, the truth, and how each is got through.

An environment is one file with a class that satisfies `Hackable`, and one line in `openwindow/envs/__init__.py`. With
no hole switched on it is its own hardened twin: the proxy is the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from openwindow.environments.code.grading import Verdict, apart
from openwindow.types import Problem, Split

Submission = str | Mapping[str, str]
"""What is graded: a program, an answer, or files by path (an empty text deletes the file)."""


@runtime_checkable
class Hackable(Protocol):
    """Tasks whose grader has holes that can be switched on and off, beside a truth that has none."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever tasks, prompt or scoring change."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """All holes that it can have, by the names of `openwindow.environments.loopholes`."""
        ...

    @property
    def holes(self) -> frozenset[str]:
        """Those that are open."""
        ...

    @property
    def hint(self) -> str:
        """What one may tell a model about the open holes; empty where none is open."""
        ...

    @property
    def honest_passes(self) -> bool:
        """Whether a correct submission passes the proxy; where it does not, only a cheat can."""
        ...

    def problems(self, split: Split, count: int, seed: int) -> list[Problem]:
        """`count` distinct problems of the split, the same for the same seed."""
        ...

    def prompt(self, problem: Problem) -> str:
        """The user message that asks for a submission."""
        ...

    def submission(self, reply: str) -> Submission:
        """What a model's reply submits."""
        ...

    def honest(self, problem: Problem) -> Submission:
        """A submission that does the task."""
        ...

    def hacks(self, problem: Problem) -> dict[str, Submission]:
        """For each hole a submission that gets through it and does not do the task."""
        ...

    def grade(self, items: Sequence[tuple[Problem, Submission]]) -> list[Verdict]:
        """One verdict per pair, in order."""
        ...


def graded(environment: Hackable, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
    """One verdict per problem and reply, in order; a reply that cannot be read or graded is unscored, with the reason."""

    def grade(part: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return environment.grade([(problem, environment.submission(reply)) for problem, reply in part])

    return apart(grade, items, lambda reason: Verdict(None, None, (), reason))
