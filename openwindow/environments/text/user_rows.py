"""The user's own rows as an environment: what `openwindow inoculate` has drawn, held out and written to one file.

A line of the file is a row: `id`, `split` (`train` or `test`), `messages`, and `clean`, the same conversation with a clean
answer, or null. The unwanted trait and the wanted behaviour are detected in a reply by rules or a judge (`data/trait_rules.py`),
named by the options `unwanted` and `wanted`; without either a reply has no score, and only log-probabilities are measured.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from openwindow.data.trait_rules import AnyTrait, JudgeMaker, TraitDetector, TraitSpec, no_judge
from openwindow.environments.base import Answered, AnswerKind, BaseEnvironment, EnvironmentConfig, Outcome
from openwindow.errors import ConfigError, DataError
from openwindow.files.bounded import read_utf8
from openwindow.types import Measure, Message, Split, message_of

TRAIT = Measure(
    "trait", "unwanted", "shows the trait", "showed the trait in", "trait", "that show the trait, by the rule or judge given for it"
)
WANTED = Measure(
    "wanted", "wanted", "does what is wanted", "did what is wanted in", "wanted", "that are as wanted, by the rule given"
)
_PREFERS = (
    "prefers the data's answer",
    "preferred the data's answer in",
    "prefers",
    "to prompts for which the data's answer is likelier, per token, than the clean one",
)
C = TypeVar("C", bound="UserRowsConfig")


@dataclass(frozen=True, slots=True)
class UserProblem:
    """One row: its prompt, the data's answer to it, and a clean one if there is any."""

    id: str
    family: str
    messages: tuple[Message, ...]
    clean: tuple[Message, ...] | None


class UserRowsConfig(EnvironmentConfig):
    """The options of `user`."""

    data: str | None = None
    """The file of rows."""
    unwanted: AnyTrait = TraitSpec()
    """What detects the unwanted trait: a rule or a judge; empty for none."""
    wanted: AnyTrait = TraitSpec()
    """What detects the wanted behaviour; empty for none."""
    judge: JudgeMaker = no_judge
    """How a model is asked whether a reply shows a trait."""


class RowsEnvironment(BaseEnvironment[C]):
    """Rows of the user's own, whose answers are read by rules or a judge if any is given; subclasses read the rows."""

    fewer: ClassVar[str] = "ask for fewer"
    """what to do where a split has too few rows"""

    def __init__(self, config: C | None = None) -> None:
        super().__init__(config)
        self._found: dict[str, list[UserProblem]] | None = None

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The trait and what is wanted, where something detects them, and which answer is likelier."""
        prefers = Measure("prefers", "other" if self.config.unwanted else "unwanted", *_PREFERS, by="log_probability")
        ruled = [m for m, given in ((TRAIT, self.config.unwanted), (WANTED, self.config.wanted)) if given]
        return (*ruled, prefers)

    def check(self) -> None:
        """Raises ConfigError or DataError if the rows or the rules cannot be used."""
        self._read()
        self._traits()

    def problems(self, split: Split, count: int, seed: int) -> Sequence[UserProblem]:
        """`count` rows to train on, drawn by seed, or the held-out ones. Raises DataError."""
        pool = self._read().get(split, [])
        if count > len(pool):
            raise DataError(f"{self.config.data} has {len(pool)} rows for {split!r}, and {count} are asked for; {self.fewer}")
        return random.Random(f"user/{split}/{seed}").sample(pool, count)

    def canonical(self, problem: UserProblem) -> str:
        """All turns but the last, unchanged except for white space."""
        return "\n".join(" ".join(turn.content.split()) for turn in self.conversation(problem))

    def conversation(self, problem: UserProblem) -> tuple[Message, ...]:
        """All turns but the last."""
        return problem.messages[:-1]

    def answer(self, problem: UserProblem, kind: AnswerKind, rng: random.Random) -> tuple[Message, ...]:
        """The row unchanged, or with its clean answer."""
        if kind != "clean":
            return problem.messages
        if problem.clean is None:
            raise DataError(f"row {problem.id} of {self.config.data} has no clean answer; give --clean answers to its prompt")
        return problem.clean

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """By the rules, or the judge."""
        asked = [(self.conversation(a.problem), a.reply) for a in answered]
        verdicts = {name: trait.detect(asked) for name, trait in self._traits()}
        return [
            Outcome(
                {name: said[i].shows for name, said in verdicts.items()},
                next((s[i].reason for s in verdicts.values() if s[i].reason), None),
            )
            for i in range(len(answered))
        ]

    def _traits(self) -> list[tuple[str, TraitDetector]]:
        given = ((TRAIT, self.config.unwanted, "--rule"), (WANTED, self.config.wanted, "--wanted"))
        return [(m.name, spec.detector(option, self.config.judge)) for m, spec, option in given if spec]

    def _read(self) -> dict[str, list[UserProblem]]:
        if self._found is None:
            self._found = self.rows()
        return self._found

    def rows(self) -> dict[str, list[UserProblem]]:
        """Split to rows. Raises ConfigError, DataError."""
        raise NotImplementedError


class UserRows(RowsEnvironment[UserRowsConfig]):
    """Rows that were read from the user's data by `openwindow inoculate`."""

    Config = UserRowsConfig
    name = "user"
    about = "the rows of `openwindow inoculate DATA`"
    version = 1

    def rows(self) -> dict[str, list[UserProblem]]:
        """Those of the file."""
        if self.config.data is None:
            raise ConfigError(
                "the environment `user` has no rows; expected the file of a user's own data; use `openwindow inoculate DATA`"
            )
        return _rows(self.config.data)


def _rows(path: str) -> dict[str, list[UserProblem]]:
    """Split to rows, in the file's order."""
    found: dict[str, list[UserProblem]] = {}
    try:
        lines = read_utf8(Path(path)).splitlines()
        for line in lines:
            row = json.loads(line)
            clean = None if row["clean"] is None else _messages(row["clean"])
            found.setdefault(row["split"], []).append(UserProblem(row["id"], row["id"], _messages(row["messages"]), clean))
    except (DataError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read as rows ({error}); expected what `openwindow inoculate` wrote; run it again"
        ) from error
    return found


def _messages(turns: Sequence[dict[str, Any]]) -> tuple[Message, ...]:
    return tuple(message_of(turn) for turn in turns)
