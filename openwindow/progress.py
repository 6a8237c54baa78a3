"""Progress on the terminal: what is being done, how far the whole is, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[float], None]


class Reporter:
    """One bar for the whole run and a line for the step at hand; plain lines where there is no terminal.

    Work is counted in units of about one generated reply each.
    """

    def __init__(self, console: Console, total: float) -> None:
        self._console = console
        self._total = max(total, 1.0)
        self._done = 0.0
        self._worked = 0.0
        self._started = time.monotonic()
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TimeElapsedColumn(),
            TextColumn("left", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
        )
        self._task: TaskID = self._progress.add_task("starting", total=self._total)

    def __enter__(self) -> Reporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def skip(self, work: float) -> None:
        """Counts work that an earlier run has finished."""
        self._done += work
        self._progress.update(self._task, completed=self._done)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._progress.console.print(text, highlight=False)

    @contextmanager
    def step(self, text: str, work: float) -> Iterator[Advance]:
        """A step of `work` units; the block gets a function to call with each unit done."""
        target = self._done + work
        self._progress.update(self._task, description=text)
        began = time.monotonic()

        def advance(units: float) -> None:
            self._done = min(self._done + units, target)
            self._worked += units
            self._progress.update(self._task, completed=self._done)

        yield advance
        self._worked += max(target - self._done, 0.0)
        self._done = target
        self._progress.update(self._task, completed=target)
        if not self._live:
            left = (time.monotonic() - self._started) / max(self._worked, 1e-9) * (self._total - self._done)
            seconds = time.monotonic() - began
            self._console.print(
                f"{100 * self._done / self._total:3.0f} %  {text}: {seconds:.0f} s; about {left / 60:.1f} min left",
                highlight=False,
            )
