"""Measures a study's arms in further environments: other tasks, or the same ones with other loopholes open.

This shows whether what was learned through one loophole appears when that one is closed, or in tasks that were not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from openwindow.environments.base import Outcome
from openwindow.environments.gameable import Gameable, checked_against, outcome, reply_text
from openwindow.experiment.study import Study
from openwindow.interventions.addenda import hinted
from openwindow.types import Message, Problem


@dataclass(frozen=True, slots=True)
class Place:
    """An environment ready to be measured in, and how it is asked."""

    environment: Gameable
    hint: bool
    count: int

    def problems(self, seed: int) -> list[Problem]:
        """The test problems of the seed."""
        return list(self.environment.problems("test", self.count, seed))

    def conversation(self, problem: Problem) -> tuple[Message, ...]:
        """The task, with the hint about its open loopholes if wanted."""
        hint = self.environment.hint if self.hint else ""
        return (Message("user", hinted(self.environment.prompt(problem), hint, "")),)

    def grade(self, answered: Sequence[tuple[Problem, str]]) -> list[Outcome]:
        """Grades each reply to a problem by the grader with the open loopholes, and by the truth."""
        items = [(problem, self.environment.submission(reply)) for problem, reply in answered]
        verdicts = self.environment.verdicts(items)
        return [outcome(v, reply_text(s), checked_against(p)) for (p, s), v in zip(items, verdicts, strict=True)]


@contextmanager
def opened(study: Study) -> Iterator[dict[str, Place]]:
    """The environments of `evaluation.elsewhere` by name, closed at the end. Raises ConfigError for an unknown loophole."""
    with ExitStack() as stack:
        found = {}
        for name, e in study.evaluation.elsewhere.items():
            environment = study.gameable(e.environment, e.difficulty)
            stack.enter_context(environment)
            found[name] = Place(environment.with_loopholes(e.opened), e.hint, e.problems)
        yield found
