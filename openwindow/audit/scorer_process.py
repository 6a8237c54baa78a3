"""Where a grader's scores are computed: in a fork of this process, or in a fresh one that loads the grader again.

A fork has the grader as it is, at no cost, and is not affected by what a submission does to it. Threads are not copied: a grader
that started some when it was loaded (a pool, an event loop) hangs there, so it is loaded again for every score.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Protocol

from openwindow.environments import find
from openwindow.environments.graders.environment import GraderEnvironment
from openwindow.environments.graders.processes import Mark, heard, in_child, scored
from openwindow.environments.graders.processes import answer as answered
from openwindow.environments.graders.tasks import OwnGrader, Task, tasks_of

_BOOT = "from openwindow.audit.scorer_process import main; main()"
_LOADING = 600.0  # seconds that loading a grader may take


class Scorer(Protocol):
    """Scores submissions to tasks by their number, from 1."""

    def score(self, number: int, submission: str, seconds: float) -> Mark:
        """The grader's score, or why there is none within `seconds`."""
        ...

    def truth(self, number: int, submission: str, seconds: float) -> Mark:
        """The grader's own truth, as 1 or 0."""
        ...


class Forked:
    """Scores in forks of this process."""

    def __init__(self, grader: OwnGrader, tasks: Sequence[Task]) -> None:
        self.grader = grader
        self.tasks = tasks

    def score(self, number: int, submission: str, seconds: float) -> Mark:
        """See `Scorer`."""
        return in_child(lambda: self.grader.score(self.tasks[number - 1], submission), seconds)

    def truth(self, number: int, submission: str, seconds: float) -> Mark:
        """See `Scorer`."""
        return in_child(lambda: self.grader.truth(self.tasks[number - 1], submission), seconds)  # type: ignore[attr-defined]


class Anew:
    """Scores in fresh processes, each of which loads the grader by its name and options."""

    def __init__(self, target: str, options: Mapping[str, Any]) -> None:
        self.target = target
        self.options = options

    def score(self, number: int, submission: str, seconds: float) -> Mark:
        """See `Scorer`."""
        return self._asked("score", number, submission, seconds)

    def truth(self, number: int, submission: str, seconds: float) -> Mark:
        """See `Scorer`."""
        return self._asked("truth", number, submission, seconds)

    def _asked(self, what: str, number: int, submission: str, seconds: float) -> Mark:
        reader, writer = os.pipe()
        asked = [sys.path, self.target, dict(self.options), what, number, submission, writer]
        with tempfile.TemporaryFile() as given:
            given.write(json.dumps(asked).encode())
            given.seek(0)
            started = subprocess.Popen(
                [sys.executable, "-c", _BOOT],
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writer,),
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        os.close(writer)
        try:
            said = heard(reader, started.pid, seconds, _LOADING)
            started.returncode = 0  # it has been waited for
        finally:
            os.close(reader)
        return Mark(float(said.value)) if isinstance(said.value, int | float) else Mark(None, said.reason)


def scorer_of(grader: OwnGrader, tasks: Sequence[Task], where: tuple[str, Mapping[str, Any]] | None) -> Scorer:
    """Where the grader's scores are computed; `where` is given for one that has started threads."""
    return Forked(grader, tasks) if where is None else Anew(*where)


def alive() -> int:
    """Threads and processes of this interpreter that a fork would not copy, and pools that will start some.

    Other executors, such as tornado's, which runs everything at once, start none.
    """
    pools = sum(issubclass(type(one), ThreadPoolExecutor | ProcessPoolExecutor) for one in gc.get_objects())
    return threading.active_count() + len(multiprocessing.active_children()) + pools


def main() -> None:
    """What a fresh process does: loads the grader, reports that it is ready, scores once, and ends."""
    path, target, options, what, number, submission, writer = json.loads(sys.stdin.buffer.read())
    sys.path[:] = path

    def given() -> float:
        environment = find.make(target, options)
        assert isinstance(environment, GraderEnvironment)
        grader = environment.grader
        task = tasks_of(target, grader, number)[number - 1]
        os.write(writer, b"\n")
        time.sleep(0)
        return scored(grader.score(task, submission) if what == "score" else grader.truth(task, submission))  # type: ignore[attr-defined]

    answered(given, writer)
