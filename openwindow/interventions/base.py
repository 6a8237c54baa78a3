"""What an intervention is: something that is changed about training so that a flaw does not spread.

A new intervention is one file with a frozen configuration that satisfies `Intervention`, and one name in the union
`AnyIntervention` of `openwindow/interventions/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from openwindow.data.rows import Row


class Intervention(Protocol):
    """A change to the training rows."""

    def on_rows(self, rows: Sequence[Row], seed: int, own: str | None = None) -> list[Row]:
        """The rows to train on in place of `rows`; equal for equal seeds. `own` as in `openwindow.data.rows.place`."""
        ...
