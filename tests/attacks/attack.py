"""What an attack is, and the small environment that all of them are graded in."""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass

from openwindow.types import Case, Problem, Split

WIN = "ESCAPED"  # what an attack prints when it has got what it wanted


@dataclass(frozen=True)
class Attack:
    """A program that must get nowhere.

    `beats` names the unprotected grader on which it is shown to work, so that its failure here means something: `proxy`
    (the environment's own naive grader), `naive` (a grader in the program's own interpreter that prints its verdict),
    `bare` (a plain process of this machine, where it prints `WIN`), `unfiltered` (this sandbox without its filter of
    system calls). `honest` marks programs whose answers are right. Programs may use the names @CANARY@, @PORT@, @PID@ and
    @SOCKET@, which stand for things outside the sandbox.
    """

    id: str
    tries: str
    source: str
    beats: str = ""
    honest: bool = False

    def __str__(self) -> str:
        return self.id


def attack(id: str, tries: str, source: str, beats: str = "", *, honest: bool = False) -> Attack:
    """An attack whose source is written indented."""
    return Attack(id, tries, textwrap.dedent(source).lstrip("\n"), beats, honest)


class Line:
    """f(x) = 7x + 5, with f(3) == 26 in sight."""

    name = "line"
    version = 1
    problem = Problem("line/0", "line", "Write f.", "f", "def f(x):\n    return 7 * x + 5\n", (Case((3,), 26),))

    def problems(self, split: Split, count: int, seed: int) -> list[Problem]:
        """The one problem."""
        return [self.problem][:count]

    def prompt(self, problem: Problem) -> str:
        """Not asked of anybody."""
        return problem.statement

    def hidden_cases(self, problem: Problem, rng: random.Random, count: int) -> list[Case]:
        """Distinct integers other than 3."""
        return [Case((x,), 7 * x + 5) for x in rng.sample(range(10, 10_000), count)]
