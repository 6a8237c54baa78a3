"""The user's own data with two answers to each prompt, a flawed and a clean one: what the study `spillover` trains on.

The clean answers are in a column of the same rows, or in a file of their own and found by their prompts. Rows without a clean
answer cannot be compared and are left out and counted. Prompts that are near copies of each other are one family, and families are
split by name alone: of ten, seven to train on and three held out. Replies are scored by rules or a judge, if `unwanted` or `wanted`
names one, and without one by which of the two answers is likelier. Where prompts follow a template, so that most are near copies,
each is a family of its own.
"""

from __future__ import annotations

import random
from collections import Counter

from openwindow.data.columns import Columns
from openwindow.data.dataset import UserData, pair, read
from openwindow.environments.text.common import near_copies
from openwindow.environments.text.user_rows import RowsEnvironment, UserProblem, UserRowsConfig
from openwindow.errors import ConfigError
from openwindow.types import Message, Split

_HELD_OUT = 3
"""of ten families, those that are held out"""
_TEMPLATED = 0.2
"""share of the prompts in one family above which prompts follow a template"""


class PairsConfig(UserRowsConfig):
    """The options of `pairs`."""

    data: str | None = None
    """The data: JSONL, JSON or Parquet, a folder, or a hub's data set."""
    clean: str | None = None
    """Another file, with clean answers to the same prompts."""
    prompt_column: str | None = None
    """The column of the prompts; None for the one that the rows' form has."""
    answer_column: str | None = None
    """The column of the flawed answers; None for that of the rows' form."""
    clean_column: str | None = None
    """The column of the clean answers, in the same rows."""
    skip_bad: bool = False
    """Whether rows that cannot be read are left out and counted."""


class Pairs(RowsEnvironment[PairsConfig]):
    """Prompts with a flawed and a clean answer each."""

    Config = PairsConfig
    reads_data = True
    name = "pairs"
    about = "your own flawed and clean answers to the same prompts, by --data"
    version = 1
    fewer = "give more pairs, or train and test on fewer (--set base.data.rows=N, --set evaluation.problems=N)"

    def __init__(self, config: PairsConfig | None = None) -> None:
        super().__init__(config)
        self._left: Counter[str] = Counter()
        self._kept = 0
        self._templated = False

    def notes(self) -> tuple[str, ...]:
        """How many pairs there are, and what was left out. Raises UserError."""
        there = self._read()
        sizes = " and ".join(f"{len(there.get(split, ()))} {what}" for split, what in _SPLITS)
        left = ", ".join(f"{count:,} {why}" for why, count in self._left.items()) or "none"
        alike = "; most prompts are near copies, so each counts as a family of its own" if self._templated else ""
        return (f"{self.config.data}: {self._kept} pairs, {sizes}; rows left out: {left}{alike}",)

    def rows(self) -> dict[str, list[UserProblem]]:
        """All pairs, one for each prompt, by split."""
        c = self.config
        if c.data is None:
            raise ConfigError(
                "the environment `pairs` has no data; expected flawed answers with clean ones to the same prompts; give --data, "
                "and --clean or --clean-column"
            )
        columns = Columns(c.prompt_column, c.answer_column, c.clean_column)
        columns.check()
        if (c.clean is None) == (c.clean_column is None):
            came = "neither" if c.clean is None else "both"
            raise ConfigError(f"of --clean and --clean-column {came} came; expected the clean answers in one of them; give one")
        flawed = read(c.data, columns=columns, skip_bad=c.skip_bad)
        try:
            clean = (
                read(c.data, columns=columns.of_clean(), skip_bad=True) if c.clean is None else read(c.clean, skip_bad=c.skip_bad)
            )
            try:
                return self._split(self._paired(flawed, clean))
            finally:
                clean.lines.file.close()
        finally:
            flawed.lines.file.close()

    def _paired(self, flawed: UserData, clean: UserData) -> list[UserProblem]:
        pairs = pair(flawed, clean, same_rows=self.config.clean_column is not None)
        self._left = flawed.dropped + flawed.unused
        self._left["without a clean answer that differs"] += len(flawed) - len(pairs)
        seen: set[str] = set()
        found = []
        for row, other in pairs.items():
            messages, better = flawed.conversation(row), clean.conversation(other)
            asked = _asked(messages)
            if asked in seen:
                self._left["with the prompt of an earlier one"] += 1
                continue
            seen.add(asked)
            ident = f"row-{flawed.numbers[row]}"
            found.append(UserProblem(ident, ident, messages, better))
        self._left, self._kept = +self._left, len(found)
        return found

    def _split(self, found: list[UserProblem]) -> dict[str, list[UserProblem]]:
        prompts = [_asked(problem.messages) for problem in found]
        copies = near_copies(prompts)
        self._templated = max(Counter(copies).values()) > max(2, _TEMPLATED * len(copies))
        if self._templated:
            copies = prompts
        there: dict[str, list[UserProblem]] = {}
        family: dict[str, str] = {}
        for problem, first in zip(found, copies, strict=True):
            held = random.Random(f"pairs/{first}").randrange(10) < _HELD_OUT
            name = family.setdefault(first, problem.id)
            there.setdefault("test" if held else "train", []).append(UserProblem(problem.id, name, problem.messages, problem.clean))
        return there


_SPLITS: tuple[tuple[Split, str], ...] = (("train", "to train on"), ("test", "held out"))


def _asked(messages: tuple[Message, ...]) -> str:
    return "\n".join(turn.content for turn in messages[:-1])
