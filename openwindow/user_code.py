"""Calls the user's own code, however it ends.

Every call goes through `called`: importing a module, making an object, reading an attribute, calling a function. Whatever the
code raises, `SystemExit` and `GeneratorExit` included, becomes one line and exit code 2, so that a command exits 0 only if it did
its work and `check-env` exits 1 only if it found a loophole. What the code prints goes to standard error, because standard output
belongs to the command. `os._exit` also ends the command, but with a line and exit code 2. Code that replaces or ends the process
in another way (`os.execv`, a C library's `exit`) is not caught.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn, ParamSpec, TypeVar

from openwindow.errors import ForeignError, OpenWindowError

P = ParamSpec("P")
T = TypeVar("T")


def called(what: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what the user's `function` returns; `what` names it in the error, as in "mine.py: its tasks()".

    Anything lazy in it (a generator, a property) must be read inside `function`. Our own errors pass through unchanged. Raises
    ForeignError for everything else except KeyboardInterrupt, and for a coroutine, which nobody would await.
    """
    try:
        with _no_way_out(what), contextlib.redirect_stdout(sys.stderr):
            given = function(*args, **kwargs)
    except (OpenWindowError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ForeignError(what, told(error)) from error
    if inspect.iscoroutine(given):
        given.close()
        raise ForeignError(what, "it is async, and what it gives must be awaited")
    return given


def told(error: BaseException) -> str:
    """Describes the error in one line of text, even if its own text cannot be produced."""
    try:
        words = " ".join(str(error).split())
    except BaseException as another:
        words = f"its message cannot be read, {type(another).__name__}"
    name = type(error).__name__
    return f"{name}: {words}" if words else name


@contextlib.contextmanager
def _no_way_out(what: str) -> Iterator[None]:
    """While the block runs, `os._exit` in this process reports who called it; in forked processes it is the ordinary function."""
    names, process, leave = vars(os), os.getpid(), os._exit

    def ended(status: int) -> NoReturn:
        if os.getpid() == process:
            with contextlib.suppress(BaseException):
                print(f"error: {ForeignError(what, f'it called os._exit({status})')}", file=sys.stderr, flush=True)
            status = ForeignError.exit_code
        leave(status)

    names["_exit"] = ended
    try:
        yield
    finally:
        names["_exit"] = leave
