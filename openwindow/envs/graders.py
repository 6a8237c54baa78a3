"""Graders of the user's own, as an audit sees them: tasks with an honest solution each, and a score for any submission.

Three ways to give one: an object with `tasks()` and `score()` (`OwnGrader`), a command (`CommandGrader`), or an adapter
around what another library has (`adapters.py`). Every score is asked for in a process of its own with a time limit, since a
submission may end, hang or break the grader that runs it. That is no isolation: a grader sees what its user sees.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from openwindow.errors import EnvironmentFault
from openwindow.types import Case


@dataclass(frozen=True)
class Task:
    """One task of a grader."""

    prompt: str
    """What a model is asked."""
    honest: str
    """A submission that does the task; without one there is no truth to hold the grader against."""
    entry_point: str = ""
    """Function to write, where the task is code; else the last one that the honest submission defines."""
    visible: tuple[Case, ...] = ()
    """Tests that the prompt shows, if they are known."""


@runtime_checkable
class OwnGrader(Protocol):
    """The least that can be audited."""

    def tasks(self) -> Sequence[Task]:
        """Some tasks; the first few are tried."""
        ...

    def score(self, task: Task, submission: str) -> float:
        """The grader's score; at least half of what the honest submission gets counts as passed."""
        ...


@runtime_checkable
class WithTruth(Protocol):
    """A grader that also knows whether a submission really does the task; else written hacks are taken for wrong."""

    def truth(self, task: Task, submission: str) -> bool:
        """Whether the submission does the task."""
        ...


@dataclass(frozen=True)
class Mark:
    """What came of asking for one score."""

    score: float | None
    """The score; None where there was none."""
    reason: str = ""
    """Why there was none."""


def in_child(action: Callable[[], float], seconds: float) -> Mark:
    """The number that `action` gives in a forked process; what happens to that process happens to it alone."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(action, writer)
    os.close(writer)
    try:
        said = _read_all(reader, seconds)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it may not have come to lead its group
        _, status = os.waitpid(child, 0)
    if said is None:
        return Mark(None, f"hung: it gave no score within {seconds:g} s")
    try:
        score, reason = json.loads(said)
        return Mark(None if score is None else float(score), str(reason))
    except (ValueError, TypeError):
        how = f"with status {os.WEXITSTATUS(status)}" if os.WIFEXITED(status) else f"by signal {os.WTERMSIG(status)}"
        return Mark(None, f"crashed: its process was ended {how} before it gave a score")


def _answer(action: Callable[[], float], writer: int) -> None:
    """The life of the forked process."""
    leave, send, number = os._exit, os.write, float  # before a submission can replace them
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        given: object = action()
        score = None if given is None else number(given)  # type: ignore[arg-type]
        if score is None or math.isnan(score):
            said = json.dumps([None, f"gave no score: it gave {given!r}"])
        else:
            said = json.dumps([score, ""])
        send(writer, said.encode())
    except BaseException as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        send(writer, json.dumps([None, f"crashed: {words}"]).encode())
    finally:
        leave(0)


def _read_all(reader: int, seconds: float) -> bytes | None:
    """What was written until the other side closed; None where that took too long."""
    deadline, said = time.monotonic() + seconds, b""
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(reader, 1 << 16)
        if not part:
            return said
        said += part
    return None


class CommandGrader:
    """A command that reads a submission, from standard input or from the file that `{}` stands for.

    Its score is the number on the last line that it prints, if there is one for the honest submission; else its exit status: 0
    passes, anything else fails.
    """

    def __init__(self, command: str, honest: Path | None, seconds: float) -> None:
        """EnvironmentFault where there is no honest submission, or the command cannot be found."""
        if honest is None:
            raise EnvironmentFault(
                f"the command {command!r} comes without truth: give a file with a submission that does the task, --honest FILE"
            )
        try:
            words = shlex.split(command)
            text = honest.read_text(encoding="utf-8")
        except (ValueError, OSError) as error:
            raise EnvironmentFault(f"cannot use {command!r} with {honest} ({error}): give a command and a readable file") from None
        if not words or shutil.which(words[0]) is None:
            raise EnvironmentFault(f"the command {command!r} was not found: give one that can be run from here")
        self.words = words
        self.name = f"submission{honest.suffix}"
        self.task = Task("", text)
        self.prints = in_child(lambda: self._run(text)[1] is not None, seconds).score == 1.0

    def tasks(self) -> Sequence[Task]:
        """The one task that there is."""
        return [self.task]

    def score(self, task: Task, submission: str) -> float:
        """The printed score, or 1 for exit status 0 and 0 for another; RuntimeError where it gives neither."""
        status, printed, said = self._run(submission)
        if status < 0:
            raise RuntimeError(f"it was ended by signal {-status}")
        if not self.prints:
            return 1.0 if status == 0 else 0.0
        if printed is None:
            raise RuntimeError(f"it exited with status {status} and printed no score: {said or 'nothing at all'}")
        return printed

    def _run(self, submission: str) -> tuple[int, float | None, str]:
        """Exit status, number on the last line, and that line; it takes as long as the command does."""
        with tempfile.TemporaryDirectory(prefix="openwindow-") as folder:
            path = Path(folder) / self.name
            path.write_text(submission, encoding="utf-8")
            words = [word.replace("{}", str(path)) for word in self.words]
            given = submission.encode()
            ended = subprocess.run(words, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        lines = ended.stdout.decode("utf-8", "replace").strip().splitlines()
        last = lines[-1].strip() if lines else ""
        with contextlib.suppress(ValueError):
            return ended.returncode, float(last), last
        return ended.returncode, None, last[:80]
