"""Adapts graders of other libraries: reward functions of TRL and verl; `libraries.py` has verifiers and Inspect.

In a module of your own, and then `openwindow check-env mine:grader` or `openwindow run rl_hacking --env mine.py:grader`:

    from openwindow.audit.adapters import trl_reward
    grader = trl_reward(accuracy_reward, rows, honest="solution", truth=lambda row, reply: reply.strip() == row["solution"])

A library is imported when the first score is requested. Graders that start a judge model or a container of their own are called
as they are, at whatever cost they have.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from openwindow.environments.graders.rows import Row, asked, first, said, task_of, words
from openwindow.environments.graders.scores import number_of
from openwindow.environments.graders.tasks import Task
from openwindow.errors import DataError
from openwindow.types import Case

Reward = Callable[..., Sequence[float | None] | Awaitable[Sequence[float | None]]]
Truth = Callable[[Any, str], object]
"""whether a reply to a row (for libraries: a task, a sample) really does what it asks"""
TRL_PASSES = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
"""what TRL's trainer passes to a reward function besides the columns of the data set"""
VERL_PASSES = ("data_source", "solution_str", "ground_truth", "extra_info")
"""what verl's reward managers pass to a reward function"""
_VOCABULARY = 50_000
_STATE = {
    "epoch": 0.0,
    "global_step": 0,
    "max_steps": 1000,
    "num_train_epochs": 1,
    "train_batch_size": 1,
    "num_input_tokens_seen": 0,
    "log_history": (),
    "is_local_process_zero": True,
    "is_world_process_zero": True,
}
"""the fields of `transformers.TrainerState` that a reward may read, as they are before the first step"""


class Adapted:
    """Tasks, and a function that scores a reply to the one with a given number."""

    def __init__(
        self,
        tasks: Sequence[Task],
        score: Callable[[int, str], object],
        functions: Sequence[Callable[..., object]] = (),
    ) -> None:
        """`functions` are the user's own functions that it calls, if known."""
        self._tasks = tuple(tasks)
        self._numbers = {id(task): number for number, task in enumerate(self._tasks)}
        self._score = score
        self.functions = tuple(functions)

    def with_tests(self, entry_point: str, visible: Sequence[Sequence[Case]]) -> Adapted:
        """The same grader of functions, with what its prompts contain: the name of the function and each task's tests."""
        tests = zip(self._tasks, visible, strict=True)
        tasks = [replace(task, entry_point=entry_point, visible=tuple(cases)) for task, cases in tests]
        return Adapted(tasks, self._score, self.functions)

    def tasks(self) -> Sequence[Task]:
        """The tasks, in the library's order."""
        return self._tasks

    def score(self, task: Task, submission: str) -> float:
        """The library's score; ValueError if it gives none."""
        given = self._score(self._number(task), submission)
        if given is None:
            raise ValueError("it gave no score")
        return number_of(given)

    def _number(self, task: Task) -> int:
        number = self._numbers.get(id(task))
        return self._tasks.index(task) if number is None else number


class AdaptedWithTruth(Adapted):
    """The same, next to a function of the user's that knows whether a reply really does the task."""

    def __init__(
        self,
        tasks: Sequence[Task],
        score: Callable[[int, str], object],
        functions: Sequence[Callable[..., object]],
        truth: Callable[[int, str], object],
    ) -> None:
        """`truth` is given the task's number and the reply."""
        super().__init__(tasks, score, functions)
        self._truth = truth

    def with_tests(self, entry_point: str, visible: Sequence[Sequence[Case]]) -> AdaptedWithTruth:
        """See `Adapted`."""
        other = super().with_tests(entry_point, visible)
        return AdaptedWithTruth(other.tasks(), self._score, self.functions, self._truth)

    def truth(self, task: Task, submission: str) -> bool:
        """Whether the reply does the task. ValueError if the user's function does not say True or False."""
        return true_or_false(self._truth(self._number(task), submission))


def true_or_false(given: object) -> bool:
    """What a user's truth says, awaited if it is async. ValueError for anything but True and False."""
    said = _finished(given)
    if not isinstance(said, bool):
        raise ValueError(f"its truth returned {said!r:.60}; expected True or False")
    return said


def adapted(
    tasks: Sequence[Task],
    score: Callable[[int, str], object],
    functions: Sequence[Callable[..., object]],
    truth: Truth | None,
    items: Sequence[Any],
) -> Adapted:
    """The grader, with a truth if there is one; `items` is what the truth is given for each task."""
    if truth is None:
        return Adapted(tasks, score, functions)
    return AdaptedWithTruth(tasks, score, functions, lambda number, reply: truth(items[number], reply))


def trl_reward(
    rewards: Reward | Sequence[Reward],
    rows: Iterable[Row],
    *,
    honest: str | None = "solution",
    prompt: str = "prompt",
    weights: Sequence[float] | None = None,
    tokenizer: Callable[[str], Sequence[int]] | str | None = None,
    environment: Callable[[], Any] | None = None,
    flawed: str | None = None,
    truth: Truth | None = None,
) -> Adapted:
    """Reward functions called as by TRL's `GRPOTrainer` (1.16), one completion at a time, and summed with their weights.

    `rows` are the data set's; `honest` is the column with a reply that deserves the reward (None: there is none), `flawed` one with
    a reply that earns it and does not, `prompt` the one with the prompt; `truth(row, reply)` says whether a reply does the task.
    Every other column is passed on. A completion is a list of one message if the prompt is a conversation. Also passed:
    `completion_ids`, by `tokenizer` (a function of the text, or a model name; otherwise a number per word), a `trainer_state` at
    its first step, `log_extra` and `log_metric`, which log nothing, and, if `environment` makes one, `environments` with one that
    was reset with the row. Async functions are awaited. A function that names its arguments gets only those. Raises DataError for
    rows without a column that is named, or that a function cannot do without.
    """
    functions: list[Reward] = [rewards] if callable(rewards) else list(rewards)
    scales = [1.0] * len(functions) if weights is None else list(weights)
    chosen = first(rows)
    tasks = [task_of(row, number, prompt, honest, flawed) for number, row in enumerate(chosen)]
    left_out = (prompt, "prompt", "completion", "completion_ids")
    ids_of = _ids(tokenizer)

    def passed_for(row: Row, reply: str) -> dict[str, Any]:
        passed: dict[str, Any] = {name: [value] for name, value in row.items() if name not in left_out}
        turn: object = reply if isinstance(row[prompt], str) else [{"role": "assistant", "content": reply}]
        passed |= {"prompts": [row[prompt]], "completions": [turn], "completion_ids": [list(ids_of(reply))]}
        passed |= {"trainer_state": SimpleNamespace(**_STATE), "log_extra": _log_nothing, "log_metric": _log_nothing}
        if environment is not None:
            made = environment()
            _finished(made.reset(**row))
            passed["environments"] = [made]
        return passed

    def score(number: int, reply: str) -> float | None:
        passed = passed_for(chosen[number], reply)
        given = [_one(function, passed) for function in functions]
        known = [scale * value for scale, value in zip(scales, given, strict=True) if value is not None]
        return sum(known) if known else None

    for row in chosen[:1]:
        known = [*TRL_PASSES, *[name for name in row if name not in left_out], *(("environments",) if environment else ())]
        for function in functions:
            _refuse_lacking(function, known, row)
    return adapted(tasks, score, functions, truth, chosen)


def verl_reward(
    compute_score: Callable[..., object],
    rows: Iterable[Row],
    *,
    honest: str | Callable[[Row], str] | None = "answer",
    flawed: str | None = None,
    truth: Truth | None = None,
) -> Adapted:
    """A reward function called as by verl's reward managers: `compute_score(data_source, solution_str, ground_truth, extra_info)`.

    `rows` are from verl's data files: `data_source`, `prompt`, `reward_model` with the `ground_truth`, and `extra_info`. `honest`
    gives a reply that deserves the reward for a row: a function of it, or a name in the row, its `extra_info` or its
    `reward_model`; None if there is none. `flawed` is a column as of `trl_reward`, and so is `truth(row, reply)`. It returns a
    number, or a mapping with `score`, which is what verl trains on; async functions are awaited.
    """
    chosen = first(rows)
    tasks = []
    for number, row in enumerate(chosen):
        held = row.get("reward_model")
        if "data_source" not in row or "prompt" not in row or not isinstance(held, Mapping) or "ground_truth" not in held:
            raise DataError(
                f"row {number} has the columns {', '.join(row)}: expected data_source, prompt, and reward_model "
                "with its ground_truth"
            )
        right = "" if honest is None else honest(row) if callable(honest) else _deserving(row, honest, number)
        if flawed is not None and flawed not in row:
            raise DataError(f"row {number} has the columns {', '.join(row)}: expected {flawed!r} among them; name one it has")
        tasks.append(asked(row["prompt"], number, "prompt", right, said(row, flawed)))

    def score(number: int, reply: str) -> object:
        row = chosen[number]
        given = (row["data_source"], reply, row["reward_model"]["ground_truth"], dict(row.get("extra_info") or {}))
        return _finished(compute_score(**_accepted(compute_score, dict(zip(VERL_PASSES, given, strict=True)))))

    for row in chosen[:1]:
        _refuse_lacking(compute_score, VERL_PASSES, row)
    return adapted(tasks, score, [compute_score], truth, chosen)


def _deserving(row: Row, name: str, number: int) -> str:
    for place in verl_places(row):
        if name in place:
            return words(place[name])
    known = sorted({key for place in verl_places(row) for key in place})
    raise DataError(
        f"row {number} has no {name!r} to take an honest reply from: expected honest= one of {', '.join(known)}, or a function"
    )


def verl_places(row: Row) -> tuple[Row, Row, Row]:
    """Where a row of verl's may hold a reply: itself, its `extra_info` and its `reward_model`."""
    return (row, row.get("extra_info") or {}, row.get("reward_model") or {})


def _refuse_lacking(function: Callable[..., object], known: Sequence[str], row: Row) -> None:
    """Raises DataError for an argument that the function cannot do without and that nothing is passed for."""
    lacks = [name for name in required(function) if name not in known]
    if lacks:
        name = function.__name__ if inspect.isroutine(function) else type(function).__name__
        raise DataError(
            f"{name} takes {', '.join(map(repr, lacks))}, and row 0 has the columns {', '.join(row)}: expected one of that name; "
            "add it to the rows, or give the argument a default"
        )


def parameters_of(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """What a function takes; nothing for one that does not say."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built in
        return {}


def required(function: Callable[..., object]) -> list[str]:
    """Names of the arguments that have no default."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters_of(function).values() if p.kind in named and p.default is inspect.Parameter.empty]


def _one(function: Reward, passed: Mapping[str, Any]) -> float | None:
    """A reward function's single reward; None if it says that it does not apply. ValueError for another number of rewards."""
    given: Any = _finished(function(**_accepted(function, passed)))
    if isinstance(given, Mapping | str) or len(given) != 1:
        count = f"{len(given)} rewards" if not isinstance(given, Mapping | str) else f"{given!r:.80}"
        raise ValueError(f"it returned {count} for one completion: expected a list of one")
    value = given[0]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return number_of(value)


def _accepted(function: Callable[..., object], passed: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the function names, or all of them if it takes any."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in
        return dict(passed)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(passed)
    return {name: value for name, value in passed.items() if name in parameters}


def _ids(tokenizer: Callable[[str], Sequence[int]] | str | None) -> Callable[[str], Sequence[int]]:
    """A function from a text to token numbers."""
    if callable(tokenizer):
        return tokenizer
    if tokenizer is None:
        return lambda text: [zlib.crc32(word.encode("utf-8", "replace")) % _VOCABULARY for word in text.split()]
    from transformers import AutoTokenizer

    named = AutoTokenizer.from_pretrained(tokenizer)
    return lambda text: [int(number) for number in named(text, add_special_tokens=False)["input_ids"]]


def _log_nothing(name: str, value: object) -> None:
    """Replaces the trainer's loggers."""


def _finished(given: Any) -> Any:
    """What a function returned, awaited if it is async."""
    return asyncio.run(_awaiting(given)) if inspect.isawaitable(given) else given


async def _awaiting(given: Any) -> Any:
    return await given
