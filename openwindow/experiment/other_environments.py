"""Where a study's arms are measured besides their own environment: other tasks, or the same ones with other holes.

What was learnt through one hole is asked for where that hole is shut, or in tasks that nothing was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from openwindow.environments import SETTINGS
from openwindow.environments.base import Options, Outcome
from openwindow.environments.code.environment import outcome, shown_tests
from openwindow.environments.demonstrations import reply_text
from openwindow.environments.gameable import Hackable
from openwindow.environments.toy.environment import WithHoles
from openwindow.experiment.study import Elsewhere
from openwindow.interventions.addenda import hinted
from openwindow.types import Message, Problem


@dataclass(frozen=True, slots=True)
class Place:
    """An environment made ready, and how it is asked."""

    environment: Hackable
    hint: bool
    count: int

    def problems(self, seed: int) -> list[Problem]:
        """The test problems of the seed."""
        return self.environment.problems("test", self.count, seed)

    def conversation(self, problem: Problem) -> tuple[Message, ...]:
        """The task, with its open holes told where that is wanted."""
        told = self.environment.hint if self.hint else ""
        return (Message("user", hinted(self.environment.prompt(problem), told, "")),)

    def grade(self, answered: Sequence[tuple[Problem, str]]) -> list[Outcome]:
        """Each reply to a problem by the grader with the open holes, and by the truth."""
        items = [(problem, self.environment.submission(reply)) for problem, reply in answered]
        verdicts = self.environment.grade(items)
        return [outcome(v, reply_text(s), shown_tests(p) or (p.solution,)) for (p, s), v in zip(items, verdicts, strict=True)]


@contextmanager
def opened(wanted: Mapping[str, Elsewhere], options: Options) -> Iterator[dict[str, Place]]:
    """The environments by name, closed at the end; `options` are the study's own. Raises ConfigError for a hole there is not."""
    with ExitStack() as stack:
        found = {}
        for name, e in wanted.items():
            made = SETTINGS[e.environment](replace(options, difficulty=e.difficulty or options.difficulty))
            setting = stack.enter_context(made)
            assert isinstance(setting, WithHoles)  # the study has checked it
            found[name] = Place(setting.with_holes(e.opened), e.hint, e.problems)
        yield found
