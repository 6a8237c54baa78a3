"""Users' own graders as an audit sees them: tasks with an honest solution each, and a score for any submission.

There are three ways to give one: an object with `tasks()` and `score()` (`OwnGrader`), a command (`command_grader.py`), or an
adapter for what another library has (`adapters.py`). Every score is computed in a process of its own with a time limit, since a
submission may end, hang or break the grader that runs it. That is not isolation: a grader can do whatever its user can.
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
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn, Protocol, runtime_checkable

from openwindow.audit.scores import NoScore, number_of
from openwindow.errors import EnvironmentFault
from openwindow.types import Case
from openwindow.user_code import called

_MOST_SAID = 1 << 16  # maximum bytes of a process's answer


@dataclass(frozen=True)
class Task:
    """One task of a grader."""

    prompt: str
    """What a model is asked."""
    honest: str
    """A submission that does the task; without one there is no truth to compare the grader with."""
    entry_point: str = ""
    """Function to write, if the task is code; otherwise the last one that the honest submission defines."""
    visible: tuple[Case, ...] = ()
    """Tests in the prompt, if they are known."""
    also: tuple[str, ...] = ()
    """Other submissions that do the task: a grader that fails one of them is wrong about it."""


@runtime_checkable
class OwnGrader(Protocol):
    """The minimum that can be audited."""

    def tasks(self) -> Iterable[Task]:
        """Some tasks; the first few are tried."""
        ...

    def score(self, task: Task, submission: str) -> object:
        """The grader's score: a number, a mapping with `score` or `reward`, a tuple that begins with it, or an awaitable that gives
        one.

        At least half of what the honest submission gets counts as passed.
        """
        ...


@runtime_checkable
class WithTruth(Protocol):
    """A grader that also knows whether a submission really does the task; otherwise written hacks are taken to be wrong."""

    def truth(self, task: Task, submission: str) -> bool:
        """Whether the submission does the task."""
        ...


@runtime_checkable
class WithSource(Protocol):
    """A grader that can show its own source, which may contain its words for a pass."""

    def source(self) -> str:
        """What it is written in, as far as it can be read."""
        ...


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


def tasks_of(target: str, grader: OwnGrader, count: int) -> list[Task]:
    """The first tasks of the grader, checked. EnvironmentFault if there is none or one of them is not a task."""
    chosen = called(f"{target}: its tasks()", lambda: list(islice(grader.tasks(), count)))
    if not chosen or not all(isinstance(task, Task) for task in chosen):
        raise EnvironmentFault(f"{target}: its tasks() gave {chosen!r:.80}: expected at least one openwindow.audit.graders.Task")
    for number, task in enumerate(chosen, 1):
        if fault := _fault(task):
            raise EnvironmentFault(f"{target}: task {number} {fault}, then check again")
    return chosen


def _fault(task: Task) -> str:
    """What is wrong with a task, and what to do about it; empty if nothing is."""
    given: dict[str, object] = {"prompt": task.prompt, "honest": task.honest, "entry_point": task.entry_point}
    also: object = task.also
    if not isinstance(also, tuple):
        return f"has {also!r:.80} as `also`: expected a tuple of texts; make it one"
    given |= {f"also[{i}]": text for i, text in enumerate(also)}
    for name, value in given.items():
        if not isinstance(value, str):
            return f"has {value!r:.80} as `{name}`: expected a text; write one"
        if not value.isascii() and value != value.encode("utf-8", "replace").decode("utf-8"):
            return f"has half a surrogate pair in `{name}`: expected text that can be written as UTF-8; fix it"
    if not task.honest.strip():
        return "has no truth: expected `honest`, a submission that does the task; write one"
    if task.entry_point and not task.entry_point.isidentifier():
        return f"has {task.entry_point!r:.80} as `entry_point`: expected the name of a function; give one, or leave it out"
    if not isinstance(task.visible, tuple) or not all(isinstance(case, Case) for case in task.visible):
        return f"has {task.visible!r:.80} as `visible`: expected a tuple of openwindow.types.Case; make it one"
    return ""
