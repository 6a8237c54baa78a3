"""Terminal output: consoles, and progress bars with the current step, how far it is, and the time left.

Names, messages, paths and replies come from users and models, so brackets in them must not be read as markup: `make_console` is the
only place that makes a rich console, with markup off. Style is given as `style=` or by `rich.text.Text`.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[float], None]
_FAR = re.compile(r"(.*), (\d+) of (\d+)")
WIDTH = 120
"""columns if there is no terminal and COLUMNS is not set"""


def make_console(*, stderr: bool = False, file: TextIO | None = None) -> Console:
    """A console on standard output, on standard error, or on a file; in a notebook plain text, since rich's own form of it there
    needs a package for its bars."""
    stream = file or (sys.stderr if stderr else sys.stdout)
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(file=file, stderr=stderr, width=width, markup=False, highlight=False, emoji=False, force_jupyter=False)


@contextmanager
def working(console: Console | None, text: str) -> Iterator[Callable[[str], None]]:
    """Shows that work is in progress while the block runs; the block gets a function that changes the text."""
    if console is None:
        yield lambda text: None
        return
    with console.status(Text(text)) as status:
        yield lambda text: status.update(Text(text))


class Reporter:
    """A bar for the stage at hand: which part of the whole it is in, how far it is, and the time left.

    Where there is no terminal, a line for each stage once it is over.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._part = ""
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f} of {task.total:.0f}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
        )
        self._stage: TaskID | None = None
        self._beside: dict[str, TaskID] = {}

    @property
    def doing(self) -> str:
        """The stage at hand and how far it is; empty between stages."""
        for task in self._progress.tasks:
            if task.id == self._stage:
                return f"{task.description}, {task.completed:.0f} of {task.total or 0:.0f}"
        return ""

    def __enter__(self) -> Reporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def part(self, text: str) -> None:
        """Says before each stage from now on which part of the whole it is in, such as `arm 3 of 15`; nothing for an empty text."""
        self._part = text

    def beside(self, others: Mapping[str, str]) -> None:
        """Shows below the bar what other processes are at: name to what `doing` says there, each with a bar of its own."""
        for name in [*self._beside]:
            if name not in others:
                self._progress.remove_task(self._beside.pop(name))
        for name, text in others.items():
            far = _FAR.fullmatch(text)
            what, done, total = (far[1], float(far[2]), float(far[3])) if far is not None else (text or "beginning", 0.0, 1.0)
            said = f"  {name}: {what}"
            if name not in self._beside:
                self._beside[name] = self._progress.add_task(said, total=total)
            self._progress.update(self._beside[name], description=said, completed=done, total=total)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._progress.console.print(text, highlight=False)

    @contextmanager
    def step(self, text: str, total: float, *, done: int = 0) -> Iterator[Advance]:
        """A stage of `total` steps, of which `done` are done already; the block gets a function to call with each number done.

        A stage may hold others: the bar is that of the innermost.
        """
        named = f"{self._part} · {text}" if self._part else text
        began, outer = time.monotonic(), self._stage
        if outer is not None:
            self._progress.update(outer, visible=False)
        stage = self._stage = self._progress.add_task(named, total=total, completed=done)
        try:
            yield lambda count: self._progress.advance(stage, count)
        finally:
            self._progress.remove_task(stage)
            self._stage = outer
            if outer is not None:
                self._progress.update(outer, visible=True)
        if not self._live:
            self._console.print(f"{named}: {time.monotonic() - began:.0f} s", highlight=False)
