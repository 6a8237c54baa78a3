"""A command as a grader: it reads a submission and gives a score in what it prints, in a file, or by its exit status.

The honest submission shows which of the three it is: the score file, if one was named or if Harbor's is written; otherwise what
the last printed line says (`scores.score_said`); otherwise the exit status, of which 0 passes and anything else fails. Output is
read up to a limit and its end is kept. Not covered: a grader that states its verdict only in words, such as PASSED.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openwindow.environments.graders.adapters import Truth, true_or_false
from openwindow.environments.graders.processes import in_fork
from openwindow.environments.graders.rows import Row, task_of
from openwindow.environments.graders.scores import NoScore, score_said
from openwindow.environments.graders.tasks import Task
from openwindow.errors import EnvironmentFault

HARBOR = tuple([Path(folder, name) for folder in ("/logs/verifier", "logs/verifier") for name in ("reward.txt", "reward.json")])
"""Where graders in Harbor's layout write their score."""
ROW = "{row}"
"""what stands for the file with the row in a command's words"""
_MOST_PRINTED = 16 << 20  # bytes after which a command is ended
_KEPT = 8 << 10  # bytes of its end that are read
_LARGEST = 1 << 20  # bytes of a submission or a score file
_SOURCE = 1 << 18  # bytes of a grader's own file


@dataclass(frozen=True)
class Ran:
    """How a command ended on a submission."""

    status: int
    """Its exit status; below 0 the signal that ended it."""
    printed: str
    """The end of what it printed."""
    written: str | None
    """What is in the score file; None if there is none."""

    @property
    def last(self) -> str:
        """The last line printed."""
        lines = self.printed.strip().splitlines()
        return lines[-1].strip()[:80] if lines else ""


class CommandGrader:
    """A command that reads a submission, from standard input or from the file that `{}` stands for."""

    def __init__(self, command: str, honest: Path | Sequence[Path] | None, seconds: float, score_file: Path | None = None) -> None:
        """The first of the `honest` files is what others are compared with. `score_file` is removed before each score.

        EnvironmentFault if there is no honest submission, or the command cannot be found.
        """
        files = [] if honest is None else [honest] if isinstance(honest, Path) else list(honest)
        if not files:
            raise EnvironmentFault(
                f"the command {command!r} comes without truth: give a file with a submission that does the task, --honest FILE"
            )
        try:
            texts = [_text(file) for file in files]
        except (ValueError, OSError) as error:
            named = ", ".join([str(file) for file in files])
            raise EnvironmentFault(f"cannot use {command!r} with {named} ({error}): give a command and a readable file") from None
        if score_file is not None and score_file.exists() and not score_file.is_file():
            raise EnvironmentFault(f"--score-file {score_file} is no file: expected the file that the command writes its score to")
        self._tasks: Sequence[Task] = [Task("", texts[0], also=tuple(texts[1:]))]
        self._begin(command, f"submission{files[0].suffix}", texts[0], seconds, score_file)

    def _begin(
        self, command: str, name: str, submission: str, seconds: float, score_file: Path | None, row: Mapping[str, object] = {}
    ) -> None:
        """Runs the command once, on what should pass, to learn where it says its score."""
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise EnvironmentFault(f"cannot use {command!r} ({error}): give a command as a shell would take it") from None
        if not words or shutil.which(words[0]) is None:
            raise EnvironmentFault(f"the command {command!r} was not found: give one that can be run from here")
        self.words, self.name, self.file, self.row = words, name, score_file, row
        before = {path: _stamp(path) for path in HARBOR}
        first = self._try(submission, seconds)
        if score_file is None:
            self.file = next((path for path in HARBOR if _stamp(path) not in (None, before[path])), None)
        self.printed = first.printed if first is not None else ""
        self.prints = self.file is None and first is not None and score_said(first.printed) is not None

    def tasks(self) -> Sequence[Task]:
        """The only task."""
        return self._tasks

    def score(self, task: Task, submission: str) -> float:
        """The score; NoScore if the command gives none."""
        return self._scored(self._run(submission))

    def _scored(self, ran: Ran) -> float:
        if ran.status < 0:
            raise NoScore(f"it was ended by signal {-ran.status}")
        if self.file is not None:
            written = None if ran.written is None else score_said(ran.written)
            if written is None:
                what = "did not write" if ran.written is None else f"wrote {ran.written.strip()[:80]!r} to"
                raise NoScore(f"it exited with status {ran.status} and {what} {self.file}")
            return written
        if not self.prints:
            return 1.0 if ran.status == 0 else 0.0
        printed = score_said(ran.printed)
        if printed is None:
            raise NoScore(f"it exited with status {ran.status} and printed no score: {ran.last or 'nothing at all'}")
        return printed

    def source(self) -> str:
        """The files that the command names, as far as they are text, and the command."""
        return source_of(shlex.join(self.words))

    def how(self, submissions: Sequence[str], seconds: float) -> str:
        """What the command did with these submissions, for somebody who must find out why it passes them all."""
        told = [self._try(submission, seconds) for submission in submissions]
        ends = [f"exit status {ran.status} and the last line {ran.last!r}" if ran else "no end in time" for ran in told]
        by = f"the file {self.file}" if self.file is not None else "the last line printed" if self.prints else "its exit status"
        return f"Its score was taken from {by}. It ended with {', then with '.join(ends)}"

    def _try(self, submission: str, seconds: float) -> Ran | None:
        """Runs the command on the submission in a process of its own; None if it did not end in time."""

        def run() -> object:
            ran = self._run(submission, self.row)
            return [ran.status, ran.printed, ran.written]

        value = in_fork(run, seconds).value
        return Ran(*value) if isinstance(value, list) else None

    def _run(self, submission: str, row: Mapping[str, object] = {}, seconds: float | None = None) -> Ran:
        """What the command does with the submission; it takes as long as the command does, or is ended after `seconds`."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="openwindow-") as folder:
            path = Path(folder) / self.name
            path.write_bytes(submission.encode("utf-8", "backslashreplace"))
            data = Path(folder) / "row.json"
            data.write_text(json.dumps(row, default=str), encoding="utf-8")
            words = [word.replace("{}", str(path)).replace(ROW, str(data)) for word in self.words]
            with path.open("rb") as given:
                running = subprocess.Popen(words, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            with _ended_after(running, seconds):
                printed = _end_of(running)
        written = None
        if self.file is not None and self.file.is_file():
            with self.file.open("rb") as file:
                written = file.read(_KEPT).decode("utf-8", "replace")
        return Ran(running.returncode, printed, written)


class CommandOnRows(CommandGrader):
    """A command that reads replies to the prompts of a data file; `{row}` stands for a file with the row as JSON."""

    def __init__(self, command: str, rows: Sequence[Row], tasks: Sequence[Task], seconds: float) -> None:
        """The first row's reply that does the task, or an empty one, shows where the command says its score. EnvironmentFault."""
        self._tasks, self._seconds = tasks, seconds
        self._rows = {id(task): row for task, row in zip(tasks, rows, strict=True)}
        self._begin(command, "submission", tasks[0].honest, seconds, None, rows[0])

    def score(self, task: Task, submission: str) -> float:
        """See `CommandGrader`; a command that takes too long is ended and gives no score."""
        return self._scored(self._run(submission, self._rows[id(task)], self._seconds))

    @classmethod
    def over(
        cls, command: str, rows: Sequence[Row], columns: tuple[str, str | None, str | None], seconds: float, truth: Truth | None
    ) -> CommandOnRows:
        """The command on the rows, whose prompts and known replies are in `columns`. Raises DataError, EnvironmentFault."""
        tasks = [task_of(row, number, *columns) for number, row in enumerate(rows)]
        if truth is None:
            return cls(command, rows, tasks, seconds)
        return CommandWithTruth(command, rows, tasks, seconds, truth)


class CommandWithTruth(CommandOnRows):
    """The same, next to a function that knows whether a reply does the task."""

    def __init__(self, command: str, rows: Sequence[Row], tasks: Sequence[Task], seconds: float, truth: Truth) -> None:
        super().__init__(command, rows, tasks, seconds)
        self._truth = truth

    def truth(self, task: Task, submission: str) -> bool:
        """Whether the reply does the task."""
        return true_or_false(self._truth(self._rows[id(task)], submission))


@contextlib.contextmanager
def _ended_after(running: subprocess.Popen[bytes], seconds: float | None) -> Iterator[None]:
    """Ends the command, as by a signal, if the block takes longer."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, running.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def source_of(command: str) -> str:
    """A command, and the files that it names as far as they are text."""
    texts = [command]
    with contextlib.suppress(ValueError):
        for word in shlex.split(command):
            path = Path(word)
            with contextlib.suppress(OSError, ValueError):
                if path.is_file() and path.stat().st_size <= _SOURCE:
                    texts.append(path.read_text(encoding="utf-8"))
    return "\n".join(texts)


def _end_of(running: subprocess.Popen[bytes]) -> str:
    """Waits for the command and returns the end of its output. NoScore if it prints without end."""
    kept, count = b"", 0
    pipe = running.stdout
    assert pipe is not None
    with pipe:
        while part := os.read(pipe.fileno(), 1 << 16):
            kept, count = (kept + part)[-_KEPT:], count + len(part)
            if count > _MOST_PRINTED:
                running.kill()
                running.wait()
                raise NoScore(f"it printed more than {_MOST_PRINTED >> 20} MiB and was ended")
    running.wait()
    return kept.decode("utf-8", "replace")


def _text(file: Path) -> str:
    """An honest submission. OSError or ValueError if it is not a text file, or too long."""
    if file.exists() and not file.is_file():
        raise ValueError("it is no ordinary file")
    with file.open("rb") as opened:
        held = opened.read(_LARGEST + 1)
    if len(held) > _LARGEST:
        raise ValueError(f"it is longer than {_LARGEST >> 20} MiB")
    return held.decode("utf-8")


def _stamp(path: Path) -> int | None:
    """When the file was written, in ns; None if it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
