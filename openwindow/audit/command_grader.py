"""A command as a grader: it reads a submission and gives a score in what it prints, in a file, or by its exit status.

The honest submission shows which of the three it is: the score file, if one was named or if Harbor's is written; otherwise what
the last printed line says (`scores.score_said`); otherwise the exit status, of which 0 passes and anything else fails. Output is
read up to a limit and its end is kept. Not covered: a grader that states its verdict only in words, such as PASSED.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openwindow.audit.graders import Task, in_fork
from openwindow.audit.scores import NoScore, score_said
from openwindow.errors import EnvironmentFault

HARBOR = tuple([Path(folder, name) for folder in ("/logs/verifier", "logs/verifier") for name in ("reward.txt", "reward.json")])
"""Where graders in Harbor's layout write their score."""
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
            words = shlex.split(command)
            texts = [_text(file) for file in files]
        except (ValueError, OSError) as error:
            named = ", ".join([str(file) for file in files])
            raise EnvironmentFault(f"cannot use {command!r} with {named} ({error}): give a command and a readable file") from None
        if not words or shutil.which(words[0]) is None:
            raise EnvironmentFault(f"the command {command!r} was not found: give one that can be run from here")
        if score_file is not None and score_file.exists() and not score_file.is_file():
            raise EnvironmentFault(f"--score-file {score_file} is no file: expected the file that the command writes its score to")
        self.words = words
        self.name = f"submission{files[0].suffix}"
        self.task = Task("", texts[0], also=tuple(texts[1:]))
        self.file = score_file
        before = {path: _stamp(path) for path in HARBOR}
        first = self._try(texts[0], seconds)
        if score_file is None:
            self.file = next((path for path in HARBOR if _stamp(path) not in (None, before[path])), None)
        self.printed = first.printed if first is not None else ""
        self.prints = self.file is None and first is not None and score_said(first.printed) is not None

    def tasks(self) -> Sequence[Task]:
        """The only task."""
        return [self.task]

    def score(self, task: Task, submission: str) -> float:
        """The score; NoScore if the command gives none."""
        ran = self._run(submission)
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
        texts = [" ".join(self.words)]
        for word in self.words:
            path = Path(word)
            with contextlib.suppress(OSError, ValueError):
                if path.is_file() and path.stat().st_size <= _SOURCE:
                    texts.append(path.read_text(encoding="utf-8"))
        return "\n".join(texts)

    def how(self, submissions: Sequence[str], seconds: float) -> str:
        """What the command did with these submissions, for somebody who must find out why it passes them all."""
        told = [self._try(submission, seconds) for submission in submissions]
        ends = [f"exit status {ran.status} and the last line {ran.last!r}" if ran else "no end in time" for ran in told]
        by = f"the file {self.file}" if self.file is not None else "the last line printed" if self.prints else "its exit status"
        return f"Its score was taken from {by}. It ended with {', then with '.join(ends)}"

    def _try(self, submission: str, seconds: float) -> Ran | None:
        """Runs the command on the submission in a process of its own; None if it did not end in time."""

        def run() -> object:
            ran = self._run(submission)
            return [ran.status, ran.printed, ran.written]

        value = in_fork(run, seconds).value
        return Ran(*value) if isinstance(value, list) else None

    def _run(self, submission: str) -> Ran:
        """What the command does with the submission; it takes as long as the command does."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="openwindow-") as folder:
            path = Path(folder) / self.name
            path.write_bytes(submission.encode())
            words = [word.replace("{}", str(path)) for word in self.words]
            with path.open("rb") as given:
                running = subprocess.Popen(words, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            printed = _end_of(running)
        written = None
        if self.file is not None and self.file.is_file():
            with self.file.open("rb") as file:
                written = file.read(_KEPT).decode("utf-8", "replace")
        return Ran(running.returncode, printed, written)


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
