"""Calls into code of the user's own, whatever they end with.

Every call goes through `called`: importing a module, making an object, reading an attribute, a function. What the code raises,
`SystemExit` and `GeneratorExit` included, becomes one line and exit code 2, so that a command exits 0 only where it did its work
and `check-env` exits 1 only where it found a way through. What the code prints goes to standard error: standard output is the
command's. `os._exit` ends the command as well, but with a line and exit code 2. Code that replaces or ends the process in
another way (`os.execv`, a C library's `exit`) is not caught.
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
    """What the user's `function` returns; `what` names it in the error, as "mine.py: its tasks()".

    Whatever is lazy in it (a generator, a property) must be read inside of `function`. An error of ours passes as it is. Raises
    ForeignError for everything else but a KeyboardInterrupt, and for a coroutine, which nobody would await.
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
    """The error in one line of text, even where its own text cannot be made."""
    try:
        words = " ".join(str(error).split())
    except BaseException as another:
        words = f"its message cannot be read, {type(another).__name__}"
    name = type(error).__name__
    return f"{name}: {words}" if words else name


@contextlib.contextmanager
def _no_way_out(what: str) -> Iterator[None]:
    """While the block runs, `os._exit` in this very process says what ended it; in forked ones it is the ordinary one."""
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
