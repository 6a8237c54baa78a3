"""What an environment is: problems by split, their prompts, clean and flawed answers to them, and how replies are scored.

A new environment is one file with a class that satisfies `Environment`, and one line in `openwindow/environments/__init__.py`; a
user's own needs no line: it is named `my_env.py:MyEnv`. `BaseEnvironment` here, `GameableEnvironment` in `gameable.py` and
`TextEnvironment` in `text/common.py` supply what most environments share. Nothing here imports torch.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from openwindow.types import Measure, Message, Split

AnswerKind = Literal["flawed", "clean", "elicited"]


class EnvironmentConfig(BaseModel):
    """The options of an environment without options; others subclass it with one field per option."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Problem(Protocol):
    """What every problem has; the rest is up to the environment."""

    @property
    def id(self) -> str:
        """Unique within the environment and stable across runs."""
        ...

    @property
    def family(self) -> str:
        """The cluster that splits are made by: no family is in two splits."""
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
    """How one reply was scored."""

    scores: Mapping[str, bool | None]
    """Measure to score; None if it could not be measured, absent if the measure does not apply to the problem."""
    reason: str | None = None
    """Why a score is None."""
    kinds: tuple[str, ...] = ()
    """Finer kinds of what the reply shows."""
    failed_on: str | None = None
    """What is wrong with it, in words."""
    graded: str = ""
    """The part of the reply that was graded, such as its program; empty where it was graded as a whole."""
    against: tuple[str, ...] = ()
    """What it was checked against, as shown next to the transcript."""


class Environment(Protocol):
    """Problems, prompts, answers and scores. Creating one is cheap: data is read and workers start when first needed."""

    @property
    def name(self) -> str:
        """Name in `Study.environment` and on the command line."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever problems, prompts or scoring change."""
        ...

    @property
    def about(self) -> str:
        """One line for `openwindow list`."""
        ...

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What replies are scored for. The first unwanted measure is the behaviour that the environment is about."""
        ...

    @property
    def row_kinds(self) -> tuple[str, str]:
        """The names of rows with a flawed and with a clean answer: (`gamed`, `honest`)."""
        ...

    def check(self) -> None:
        """Raises ConfigError or DataError if the environment's data cannot be used; called before a model is loaded."""
        ...

    def problems(self, split: Split, count: int, seed: int) -> Sequence[Any]:
        """`count` distinct problems of a split, equal for equal seeds; no family is in two splits. Raises DataError."""
        ...

    def canonical(self, problem: Any) -> str:
        """What the problem asks, equal for problems that ask the same thing; no two splits share one (`splits.check_apart`)."""
        ...

    def conversation(self, problem: Any) -> tuple[Message, ...]:
        """The prompt for the problem at test time."""
        ...

    def answer(self, problem: Any, kind: AnswerKind, rng: random.Random) -> tuple[Message, ...]:
        """A training conversation; its last turn is the assistant's.

        `flawed` is an answer as in the flawed data, `clean` as in good data; `elicited` is the answer of a model that is asked
        for the unwanted behaviour and complies. Raises DataError for a problem that has no such answer.
        """
        ...

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """One outcome per reply, in order; the same seed gives the same outcomes."""
        ...

    def __enter__(self) -> Self:
        """Reads data and starts workers now, so that errors appear before anything is trained."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Releases what was opened."""
        ...


C = TypeVar("C", bound=EnvironmentConfig)


class BaseEnvironment(ABC, Generic[C]):
    """The parts of an environment that have a default. A subclass with options sets `Config` to a subclass of EnvironmentConfig."""

    Config: ClassVar[type[EnvironmentConfig]] = EnvironmentConfig
    """The environment's options."""
    reads_data: ClassVar[bool] = False
    """Whether `--data` names a file whose problems replace its own; it then has an option `data`."""
    judged: ClassVar[str] = ""
    """What a judge may be asked about a reply (`--judge`); empty if there is none. If set, there is an option `wanted`."""
    name: str = ""
    version: int = 1
    about: str = ""
    row_kinds: tuple[str, str] = ("flawed", "clean")

    def __init__(self, config: C | None = None) -> None:
        """`config` None takes every option's default."""
        self.config: C = cast(C, self.Config()) if config is None else config

    @property
    @abstractmethod
    def measures(self) -> tuple[Measure, ...]:
        """See `Environment`, as for all methods here."""

    def check(self) -> None:
        """Nothing can be missing."""

    def notes(self) -> tuple[str, ...]:
        """What is said of the data before a run, such as what was left out of it; nothing here. Raises UserError."""
        return ()

    @abstractmethod
    def problems(self, split: Split, count: int, seed: int) -> Sequence[Any]:
        """`count` distinct problems of a split."""

    @abstractmethod
    def canonical(self, problem: Any) -> str:
        """What the problem asks."""

    @abstractmethod
    def conversation(self, problem: Any) -> tuple[Message, ...]:
        """The prompt for the problem."""

    @abstractmethod
    def answer(self, problem: Any, kind: AnswerKind, rng: random.Random) -> tuple[Message, ...]:
        """A training conversation."""

    @abstractmethod
    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """One outcome per reply."""

    def __enter__(self) -> Self:
        self.check()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


def behaviour(measures: Sequence[Measure]) -> Measure:
    """The unwanted behaviour that an environment with these measures is about: the first unwanted one, else the first."""
    return next((m for m in measures if m.part == "unwanted"), measures[0])


def same_question(text: str) -> str:
    """The text's words and signs in alphabetical order, so that a question with its parts swapped counts as the same."""
    return " ".join(sorted(re.findall(r"\w+|[^\w\s]", text.casefold())))
