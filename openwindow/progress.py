"""Terminal output: consoles, and progress bars with the current step, how far it is, and the time left.

Names, messages, paths and replies come from users and models, so brackets in them must not be read as markup: `make_console` is the
only place that makes a rich console, with markup off. Style is given as `style=` or by `rich.text.Text`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[float], None]
WIDTH = 120
"""columns if there is no terminal and COLUMNS is not set"""


def make_console(*, stderr: bool = False, file: TextIO | None = None) -> Console:
    """A console on standard output, on standard error, or on a file."""
    stream = file or (sys.stderr if stderr else sys.stdout)
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(file=file, stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


@contextmanager
def working(console: Console | None, text: str) -> Iterator[Callable[[str], None]]:
    """Shows that work is in progress while the block runs; the block gets a function that changes the text."""
    if console is None:
        yield lambda text: None
        return
    with console.status(Text(text)) as status:
        yield lambda text: status.update(Text(text))


class Reporter:
    """One bar for the whole run and one line for the current step; plain lines if there is no terminal.

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
        """A step of `work` units; the block receives a function to call with each finished unit."""
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
