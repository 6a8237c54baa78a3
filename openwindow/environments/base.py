"""What a setting is: problems, how they are asked, flawed and clean answers to them, and how replies are scored.

A new setting is one file with a class that satisfies `Setting`, and one line in `openwindow/settings/__init__.py`. Nothing
here imports torch.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol

from openwindow.data.trait_rules import JudgeMaker, no_judge
from openwindow.types import Measure, Message

Group = Literal["request", "train", "dev", "test"]
Example = Literal["flawed", "clean", "asked"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a study says about its setting; a setting reads what concerns it."""

    difficulty: tuple[int, ...] = (1, 2, 3)
    """Difficulties of the problem families, for settings that grade them."""
    data: str | None = None
    """A file or folder whose problems stand in place of the setting's own."""
    hidden: int = 48
    """Hidden inputs per program, for settings that run programs."""
    unwanted: str = ""
    """Name of the unwanted trait, for settings that have several."""
    wanted: str = ""
    """Name of the wanted trait, for settings that have several."""
    judge: JudgeMaker = no_judge
    """How a model is asked that tells a trait."""


class Problem(Protocol):
    """What every problem has; the rest is the setting's own."""

    @property
    def id(self) -> str:
        """Unique within the setting and stable across runs."""
        ...

    @property
    def family(self) -> str:
        """The cluster that groups are made by: no family is in two of them."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply to a problem in one context, to be scored."""

    context: str
    problem: Any
    reply: str
    cut: bool = False
    """Whether the length limit ended the reply."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reply is."""

    scores: Mapping[str, bool | None]
    """Measure to score; None where it could not be measured, absent where the measure does not apply to the problem."""
    reason: str | None = None
    """Why a score is None."""
    kinds: tuple[str, ...] = ()
    """Finer kinds of what the reply shows."""
    failed_on: str | None = None
    """What is wrong with it, in words."""
    graded: str = ""
    """The part of the reply that was graded, such as its program; empty where it was graded as a whole."""
    against: tuple[str, ...] = ()
    """What it was checked against, as shown beside the transcript."""


class Setting(Protocol):
    """Problems, prompts, answers and scores. Making one is cheap: data is read and workers are started when first needed."""

    @property
    def name(self) -> str:
        """Name in `Study.environment`."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever problems, prompts or scoring change."""
        ...

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What replies are scored for. The first unwanted one is the behaviour that the setting is about."""
        ...

    @property
    def kinds(self) -> tuple[str, str]:
        """How flawed and clean answers are called: (`gamed`, `honest`)."""
        ...

    def check(self) -> None:
        """Raises ConfigError or DataError where the setting's data cannot be used; called before a model is loaded."""
        ...

    def problems(self, group: Group, count: int, seed: int) -> Sequence[Any]:
        """`count` distinct problems of a group, equal for equal seeds; no family is in two groups. Raises DataError."""
        ...

    def canonical(self, problem: Any) -> str:
        """What the problem asks, equal for problems that ask the same thing; no two groups share one (`settings.splits`)."""
        ...

    def conversation(self, problem: Any) -> tuple[Message, ...]:
        """How the problem is put to a model at test time."""
        ...

    def example(self, problem: Any, how: Example, rng: random.Random) -> tuple[Message, ...]:
        """A training conversation, its last turn the assistant's.

        `flawed` as the flawed data has it, `clean` as good data would; `asked` is what a model does that is asked for the
        unwanted behaviour and follows.
        """
        ...

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """One outcome per reply, in order; the same seed gives the same outcomes."""
        ...

    def __enter__(self) -> Setting:
        """Reads data and starts workers now, so that what is wrong with them shows before anything is trained."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Gives back what was opened."""
        ...


def behaviour(measures: Sequence[Measure]) -> Measure:
    """The unwanted behaviour that a setting with these measures is about: the first unwanted one, else the first."""
    return next((m for m in measures if m.part == "unwanted"), measures[0])


def same_question(text: str) -> str:
    """The text's words and signs in alphabetical order, so that a question with its parts swapped is the same one."""
    return " ".join(sorted(re.findall(r"\w+|[^\w\s]", text.casefold())))
