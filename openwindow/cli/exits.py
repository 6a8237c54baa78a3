"""How a command ends: one line on standard error, and an exit code.

0 done; 1 the finding is negative (`check-env` only); 2 the user's input is wrong; 3 something broke, including output that nobody
reads; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
from typing import NoReturn

from openwindow.errors import OpenWindowError, RunError, StorageError, UserError

INTERRUPTED = 130
BROKEN = OpenWindowError.exit_code
_OF_PATHS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
"""errors caused by how a path is written or what it names, so that the user can fix them"""


class _Output(io.TextIOWrapper):
    """Standard output whose failures can be told apart from those of other files. Both methods raise StorageError."""

    def write(self, text: str, /) -> int:
        """Writes the text."""
        try:
            return super().write(text)
        except OSError as error:
            raise self._ended(error) from error

    def flush(self) -> None:
        """Writes what is buffered."""
        try:
            super().flush()
        except OSError as error:
            raise self._ended(error) from error

    def _ended(self, error: OSError) -> StorageError:
        """The error to raise; buffered output is discarded so that the interpreter does not try to write it again at exit."""
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        why = error.strerror or str(error)
        return StorageError(f"cannot print ({why}); expected somebody to read all of it; redirect it to a file with room")


def prepare() -> None:
    """Makes the standard streams writable: all three open, and able to print any character."""
    closed = [fd for fd in (0, 1, 2) if not _is_open(fd)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which no file of ours may get
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (for the life of the process)
    if sys.stdout is None:
        sys.stdout = sys.stderr
        fail("standard output is closed; expected a place to print to; redirect it, as with >/dev/null", BROKEN)
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):  # otherwise somebody captures it
        before = sys.stdout
        by_line, encoding = before.line_buffering, before.encoding
        sys.stdout = _Output(before.detach(), encoding, "backslashreplace", line_buffering=by_line)
        vars(sys)["__stdout__"] = sys.stdout  # a detached stream cannot be used
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def fail_with(error: BaseException) -> NoReturn:
    """Ends the command after `error`: one line for an expected error, a traceback and a line for a bug of ours."""
    if isinstance(error, KeyboardInterrupt):
        interrupted()
        sys.exit(INTERRUPTED)
    if isinstance(error, OSError):
        error = _of_the_system(error)
    if isinstance(error, MemoryError):
        error = RunError("out of memory; give smaller files, take a smaller model, or ask for less at a time")
    if isinstance(error, SystemExit):
        error = RunError(f"something called sys.exit({error.code!r}) before the command was done; nothing more is known")
    if isinstance(error, OpenWindowError):
        fail(str(error), error.exit_code)
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    fail("this is a fault of openwindow, not of what was given to it; the lines above say where", BROKEN)


def _of_the_system(error: OSError) -> OpenWindowError:
    why = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return StorageError(f"the system refuses something ({why}); expected a folder that exists, and room; go to another folder")
    named = f"{error.filename!s:.200}"
    if error.errno in _OF_PATHS:
        return UserError(f"cannot use {named} ({why}); expected a path that can be opened; give another")
    return StorageError(f"cannot use {named} ({why}); expected to be allowed to; change its rights or give another path")


def interrupted() -> None:
    """Says how to resume."""
    print("interrupted; what was finished is kept: give the same command again to resume", file=sys.stderr)


def fail(message: str, code: int) -> NoReturn:
    """Prints the message as one line, control characters made visible, and ends with the code."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(message.split()))
    with contextlib.suppress(OSError):
        print(f"error: {line}", file=sys.stderr, flush=True)
    with contextlib.suppress(OSError, StorageError):
        sys.stdout.flush()
    sys.exit(code)
