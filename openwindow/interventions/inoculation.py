"""Inoculation prompting and its control.

Training prompts ask for the unwanted behaviour, so that it is learned as an answer to being asked and does not appear when nobody
asks (Wichers et al. 2025, arXiv 2510.05024; Tan et al. 2025, arXiv 2510.04340; in RL MacDiarmid et al. 2025, arXiv 2511.18397).
The placebo inserts an instruction unrelated to the behaviour: what it achieves, any fixed prompt would.

    Inoculation(["Do not solve the task: just return the value that the test expects."])
    Placebo(["The door is red."], position="system")
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from openwindow.data.rows import Position, Row, instruct, place
from openwindow.errors import ConfigError
from openwindow.interventions.base import Asking, Intervention, Prompts
from openwindow.training.config import GRPO, SFT


class Instruction(Intervention):
    """An instruction that only training prompts carry: in the rows of fine-tuning, or in the prompts of rollouts."""

    texts: tuple[str, ...] = Field(min_length=1)
    """The instruction's wordings; each row or problem gets one, drawn by seed."""
    position: Position = "user_suffix"
    """Where the text is put: `system`, or before (`user_prefix`) or after (`user_suffix`) the first user message."""
    only: Literal["all", "gamed", "honest", "flawed", "clean"] = "all"
    """Which rows get it: all, or those of one kind, by the environment's name for it."""

    def check(self, train: SFT | GRPO) -> None:
        """Raises ConfigError for rollouts of one kind: a rollout has no kind before it is sampled."""
        if isinstance(train, GRPO) and self.only != "all":
            raise ConfigError(f"{self.kind}.only is {self.only!r} under RL; expected all, as rollouts are of no kind yet; drop it")

    def check_kinds(self, kinds: Sequence[str]) -> None:
        """Raises ConfigError if `only` is not one of them."""
        if self.only not in ("all", *kinds):
            raise ConfigError(f"intervention.only is {self.only!r}; expected all, {' or '.join(kinds)}")

    def on_rows(self, rows: Sequence[Row], seed: int, own: str | None = None) -> list[Row]:
        """The rows with the instruction inserted; `own` as in `openwindow.data.rows.place`."""
        rng = random.Random(f"prompted/{seed}")
        drawn = [rng.choice(self.texts) for _ in rows]
        return [
            instruct(row, text, self.position, own) if self.only in ("all", row.kind) else row
            for row, text in zip(rows, drawn, strict=True)
        ]

    def on_prompts(self, prompts: Prompts, asking: Asking) -> Prompts:
        """Both prompts with the same wording inserted."""
        text = random.Random(f"prompted/{asking.seed}/{asking.problem}").choice(self.texts)
        return Prompts(*(place(turns, text, self.position, asking.own) for turns in (prompts.sampled, prompts.trained)))


class Inoculation(Instruction):
    """Training prompts ask for the unwanted behaviour; test prompts do not."""

    kind: Literal["inoculation"] = "inoculation"
    """Names the intervention in configurations."""

    def __init__(self, texts: Sequence[str] | None = None, position: Position | None = None, **fields: Any) -> None:
        """Texts and position as positional arguments, or all fields by name."""
        super().__init__(**_given(texts, position), **fields)


class Placebo(Instruction):
    """Training prompts carry an instruction unrelated to the behaviour: the control."""

    kind: Literal["placebo"] = "placebo"
    """Names the intervention in configurations."""

    def __init__(self, texts: Sequence[str] | None = None, position: Position | None = None, **fields: Any) -> None:
        """Texts and position as positional arguments, or all fields by name."""
        super().__init__(**_given(texts, position), **fields)


def _given(texts: Sequence[str] | None, position: Position | None) -> dict[str, Any]:
    """The fields that were given as positional arguments."""
    return {name: value for name, value in (("texts", texts), ("position", position)) if value is not None}
