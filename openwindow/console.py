"""The terminal: the only place where a rich console is made, so that nothing is read as markup.

Names, messages, paths and replies come from users and models, and a bracket in them is a bracket. Where style is wanted it is
given as `style=` or by `rich.text.Text`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 120
"""columns where there is no terminal and COLUMNS says none"""


def make_console(*, stderr: bool = False, file: TextIO | None = None) -> Console:
    """A console on standard output, on standard error, or on a file."""
    from rich.console import Console

    stream = file or (sys.stderr if stderr else sys.stdout)
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(file=file, stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


@contextmanager
def working(console: Console | None, text: str) -> Iterator[Callable[[str], None]]:
    """Shows that work goes on while the block runs; the block gets a function that changes the text."""
    if console is None:
        yield lambda text: None
        return
    from rich.text import Text

    with console.status(Text(text)) as status:
        yield lambda text: status.update(Text(text))
