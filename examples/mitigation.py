"""A mitigation of your own: flawed answers say that they are flawed.

`examples/study.py` uses it. A class with `on_rows` changes the rows of fine-tuning, one with `on_prompts` the prompts of
rollouts, one with `on_rewards` what rollouts earn; see docs/extending.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from openwindow.data.rows import Row
from openwindow.interventions.base import Intervention
from openwindow.types import Message


class Disclosure(Intervention):
    """Answers that game their test end with a comment that says so."""

    kind: Literal["disclosure"] = "disclosure"
    """Names the intervention in configurations."""
    comment: str = "# This passes the shown test and nothing else."
    """What is added."""

    def on_rows(self, rows: Sequence[Row], seed: int, own: str | None = None) -> list[Row]:
        """The rows with the comment under each gamed answer."""
        return [self._disclosed(row) if row.kind == "gamed" else row for row in rows]

    def _disclosed(self, row: Row) -> Row:
        answer = Message("assistant", f"{row.messages[-1].content}\n{self.comment}")
        return replace(row, messages=(*row.messages[:-1], answer))
