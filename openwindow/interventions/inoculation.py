"""Inoculation prompting and its control.

Training prompts ask for the unwanted behaviour, so that the behaviour is learnt as an answer to being asked and does not
appear when nobody asks (Wichers et al. 2025, arXiv 2510.05024; Tan et al. 2025, arXiv 2510.04340). The placebo puts in an
instruction that has nothing to do with the behaviour: what it achieves, any fixed prompt would have.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from openwindow.data.rows import Position, Row, instruct


class _Prompted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    texts: tuple[str, ...] = Field(min_length=1)
    """The instruction's wordings; each row gets one, drawn by seed."""
    position: Position = "user_suffix"
    """Where the text is put: `system`, or before (`user_prefix`) or after (`user_suffix`) the first user message."""
    only: Literal["all", "gamed", "honest", "flawed", "clean"] = "all"
    """Which rows get it: all, or those of one kind, as the setting calls them."""

    def on_rows(self, rows: Sequence[Row], seed: int, own: str | None = None) -> list[Row]:
        """The rows with the instruction put in; `own` as in `openwindow.data.rows.place`."""
        rng = random.Random(f"prompted/{seed}")
        drawn = [rng.choice(self.texts) for _ in rows]
        return [
            instruct(row, text, self.position, own) if self.only in ("all", row.kind) else row
            for row, text in zip(rows, drawn, strict=True)
        ]


class Inoculation(_Prompted):
    """Asks, in training only, for the behaviour that the data shows and nobody wants."""

    kind: Literal["inoculation"] = "inoculation"
    """Names the intervention in configurations."""


class Placebo(_Prompted):
    """Puts in an instruction that has nothing to do with the behaviour."""

    kind: Literal["placebo"] = "placebo"
    """Names the intervention in configurations."""
