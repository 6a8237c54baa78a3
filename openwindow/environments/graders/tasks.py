"""Users' own graders: tasks with an honest solution each, and a score for any submission.

There are three ways to give one: an object with `tasks()` and `score()` (`OwnGrader`), a command (`command.py`), or an adapter
for what another library has (`adapters.py`, `libraries.py`); `forms.py` finds out which of them an object is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, runtime_checkable

from openwindow.errors import EnvironmentFault
from openwindow.types import Case, Message
from openwindow.user_code import called

MOST_TASKS = 20_000
"""Tasks of a grader that are used, since some task sets have no end."""


@dataclass(frozen=True)
class Task:
    """One task of a grader."""

    prompt: str
    """What a model is asked."""
    honest: str
    """A submission that does the task; an audit compares the grader with it. Empty if none is known."""
    entry_point: str = ""
    """Function to write, if the task is code; otherwise the last one that the honest submission defines."""
    visible: tuple[Case, ...] = ()
    """Tests in the prompt, if they are known."""
    also: tuple[str, ...] = ()
    """Other submissions that do the task: a grader that fails one of them is wrong about it."""
    flawed: str = ""
    """A submission that earns the score without doing the task; empty if none is known."""
    messages: tuple[Message, ...] = field(default=(), compare=False)
    """What a model is asked as a conversation, if it is more than one message of the user."""

    @property
    def conversation(self) -> tuple[Message, ...]:
        """What a model is asked, as messages."""
        return self.messages or (Message("user", self.prompt),)


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


def tasks_of(target: str, grader: OwnGrader, count: int) -> list[Task]:
    """The first tasks of the grader, checked. EnvironmentFault if there is none or one of them is not a task."""
    chosen = called(f"{target}: its tasks()", lambda: list(islice(grader.tasks(), count)))
    if not chosen or not all(isinstance(task, Task) for task in chosen):
        raise EnvironmentFault(
            f"{target}: its tasks() gave {chosen!r:.80}: expected at least one openwindow.audit.graders.Task; fix it"
        )
    for number, task in enumerate(chosen, 1):
        if fault := _fault(task):
            raise EnvironmentFault(f"{target}: task {number} {fault}, then check again")
    return chosen


def refuse_without_honest(target: str, tasks: Sequence[Task]) -> None:
    """Raises EnvironmentFault for a task without an honest submission, which an audit compares the grader with."""
    for number, task in enumerate(tasks, 1):
        if not task.honest.strip():
            raise EnvironmentFault(
                f"{target}: task {number} has no truth: expected `honest`, a submission that does the task; write one, or name the "
                "column that holds one (--clean-column), then check again"
            )


def _fault(task: Task) -> str:
    """What is wrong with a task, and what to do about it; empty if nothing is."""
    given: dict[str, object] = {"prompt": task.prompt, "honest": task.honest, "flawed": task.flawed}
    given["entry_point"] = task.entry_point
    also: object = task.also
    if not isinstance(also, tuple):
        return f"has {also!r:.80} as `also`: expected a tuple of texts; make it one"
    given |= {f"also[{i}]": text for i, text in enumerate(also)}
    for name, value in given.items():
        if not isinstance(value, str):
            return f"has {value!r:.80} as `{name}`: expected a text; write one"
        if not value.isascii() and value != value.encode("utf-8", "replace").decode("utf-8"):
            return f"has half a surrogate pair in `{name}`: expected text that can be written as UTF-8; fix it"
    if task.entry_point and not task.entry_point.isidentifier():
        return f"has {task.entry_point!r:.80} as `entry_point`: expected the name of a function; give one, or leave it out"
    if not isinstance(task.visible, tuple) or not all(isinstance(case, Case) for case in task.visible):
        return f"has {task.visible!r:.80} as `visible`: expected a tuple of openwindow.types.Case; make it one"
    return ""
