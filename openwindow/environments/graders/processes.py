"""Computes a score in a process of its own with a time limit, since a submission may end, hang or break the grader that runs it.

That is not isolation: a grader can do whatever its user can.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import select
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from openwindow.environments.graders.scores import NoScore, number_of

_MOST_SAID = 1 << 16  # maximum bytes of a process's answer


@dataclass(frozen=True)
class Mark:
    """The result of asking for one score."""

    score: float | None
    """The score; None if there was none."""
    reason: str = ""
    """Why there was none."""


@dataclass(frozen=True)
class Said:
    """What a process answered."""

    value: object
    """Plain data as in JSON; None if there was no answer."""
    reason: str = ""
    """Why there was none."""


def in_child(action: Callable[[], object], seconds: float) -> Mark:
    """The score that `action` returns in a forked process, awaited if it is async."""

    said = in_fork(lambda: scored(action()), seconds)
    return Mark(float(said.value)) if isinstance(said.value, int | float) else Mark(None, said.reason)


def scored(given: object) -> float:
    """The score in what a grader returned, awaited if it is async. Raises NoScore, and whatever the grader raises."""
    return number_of(asyncio.run(_awaited(given)) if inspect.isawaitable(given) else given)


def in_fork(action: Callable[[], object], seconds: float) -> Said:
    """What `action` returns, as plain data, in a forked process; whatever happens to that process does not affect this one."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        answer(action, writer)
    os.close(writer)
    try:
        return heard(reader, child, seconds)
    finally:
        os.close(reader)


def heard(reader: int, child: int, seconds: float, loading: float = 0.0) -> Said:
    """What a process wrote to the pipe within that time; the process and its group are then ended and waited for.

    If it first has something to load, for which it may take `loading` seconds, it sends a line when that is done.
    """
    try:
        ready = not loading or bool(select.select([reader], [], [], loading)[0])
        said, fault = _read_all(reader, seconds) if ready else (b"", f"hung: it was not loaded within {loading:g} s")
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it may not lead its group yet
        _, status = os.waitpid(child, 0)
    if fault:
        return Said(None, fault)
    try:
        value, reason = json.loads(said)
        return Said(value, str(reason))
    except (ValueError, TypeError, RecursionError):
        how = f"with status {os.WEXITSTATUS(status)}" if os.WIFEXITED(status) else f"by signal {os.WTERMSIG(status)}"
        return Said(None, f"crashed: its process was ended {how} before it gave a score")


def answer(action: Callable[[], object], writer: int) -> NoReturn:
    """The life of an answering process: it leads its group, has no standard streams, and ends here."""
    leave, send = os._exit, os.write  # before a submission can replace them
    try:
        with contextlib.suppress(PermissionError):  # it already leads a group
            os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        send(writer, _line(action(), ""))
    except NoScore as none:
        send(writer, _line(None, f"gave no score: {none}"))
    except BaseException as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        send(writer, _line(None, f"crashed: {words}"))
    finally:
        leave(0)


def _line(value: object, reason: str) -> bytes:
    return f"{json.dumps([value, reason])}\n".encode()


async def _awaited(given: Awaitable[object]) -> object:
    return await given


def _read_all(reader: int, seconds: float) -> tuple[bytes, str]:
    """What was written up to the end of a line, or until the other side closed; or what went wrong.

    The end of the line suffices, since processes that a grader has started keep the other side open.
    """
    deadline, said = time.monotonic() + seconds, b""
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(reader, 1 << 16)
        said += part
        if not part or (said.strip() and said.endswith(b"\n")):
            return said, ""
        if len(said) > _MOST_SAID:
            return b"", f"crashed: its process wrote more than {_MOST_SAID} bytes instead of a score"
    return b"", f"hung: it gave no score within {seconds:g} s"
