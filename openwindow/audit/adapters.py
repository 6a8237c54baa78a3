"""Adapts graders of other libraries for an audit: rewards of TRL and verl, a verifiers task set, an Inspect task.

In a module of your own, and then `openwindow check-env mine:grader`:

    from openwindow.audit.adapters import trl_reward
    grader = trl_reward(accuracy_reward, rows, honest="solution")

A library is imported when the first score is requested. Graders that start a judge model or a container of their own are called
as they are, at whatever cost they have.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace
from typing import Any

from openwindow.audit.graders import Task
from openwindow.audit.scores import number_of
from openwindow.errors import DataError
from openwindow.types import Case

Row = Mapping[str, Any]
Reward = Callable[..., Sequence[float | None] | Awaitable[Sequence[float | None]]]
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
_MANY = 32  # rows that are read; an audit tries the first few


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
        number = next((i for i, own in enumerate(self._tasks) if own is task), None)
        given = self._score(self._tasks.index(task) if number is None else number, submission)
        if given is None:
            raise ValueError("it gave no score")
        return number_of(given)


def trl_reward(
    rewards: Reward | Sequence[Reward],
    rows: Iterable[Row],
    *,
    honest: str = "solution",
    prompt: str = "prompt",
    weights: Sequence[float] | None = None,
    tokenizer: Callable[[str], Sequence[int]] | str | None = None,
    environment: Callable[[], Any] | None = None,
) -> Adapted:
    """Reward functions called as by TRL's `GRPOTrainer` (1.16), one completion at a time, and summed with their weights.

    `rows` are the data set's; `honest` is the column with a reply that deserves the reward, `prompt` the one with the prompt.
    Every other column is passed on. A completion is a list of one message if the prompt is a conversation. Also passed:
    `completion_ids`, by `tokenizer` (a function of the text, or a model name; otherwise a number per word), a `trainer_state` at
    its
    first step, `log_extra` and `log_metric`, which log nothing, and, if `environment` makes one, `environments` with one that was
    reset with the row. Async functions are awaited. A function that names its arguments gets only those.
    """
    functions: list[Reward] = [rewards] if callable(rewards) else list(rewards)
    scales = [1.0] * len(functions) if weights is None else list(weights)
    chosen = list(islice(rows, _MANY))
    tasks = []
    for number, row in enumerate(chosen):
        if prompt not in row or honest not in row:
            raise DataError(f"row {number} has the columns {', '.join(row)}: expected {prompt!r} and {honest!r} among them")
        tasks.append(Task(_words(row[prompt]), _words(row[honest])))
    ids_of = _ids(tokenizer)

    def score(number: int, reply: str) -> float | None:
        row = chosen[number]
        left_out = (prompt, "prompt", "completion", "completion_ids")
        passed: dict[str, Any] = {name: [value] for name, value in row.items() if name not in left_out}
        turn: object = reply if isinstance(row[prompt], str) else [{"role": "assistant", "content": reply}]
        passed |= {"prompts": [row[prompt]], "completions": [turn], "completion_ids": [list(ids_of(reply))]}
        passed |= {"trainer_state": SimpleNamespace(**_STATE), "log_extra": _log_nothing, "log_metric": _log_nothing}
        if environment is not None:
            made = environment()
            _finished(made.reset(**row))
            passed["environments"] = [made]
        given = [_one(function, passed) for function in functions]
        known = [scale * value for scale, value in zip(scales, given, strict=True) if value is not None]
        return sum(known) if known else None

    return Adapted(tasks, score, functions)


def verl_reward(
    compute_score: Callable[..., object], rows: Iterable[Row], *, honest: str | Callable[[Row], str] = "answer"
) -> Adapted:
    """A reward function called as by verl's reward managers: `compute_score(data_source, solution_str, ground_truth, extra_info)`.

    `rows` are from verl's data files: `data_source`, `prompt`, `reward_model` with the `ground_truth`, and `extra_info`. `honest`
    gives a reply that deserves the reward for a row: a function of it, or a name in the row, its `extra_info` or its
    `reward_model`. It returns a number, or a mapping with `score`, which is what verl trains on; async functions are awaited.
    """
    chosen = list(islice(rows, _MANY))
    tasks = []
    for number, row in enumerate(chosen):
        held = row.get("reward_model")
        if "data_source" not in row or "prompt" not in row or not isinstance(held, Mapping) or "ground_truth" not in held:
            raise DataError(
                f"row {number} has the columns {', '.join(row)}: expected data_source, prompt, and reward_model "
                "with its ground_truth"
            )
        tasks.append(Task(_words(row["prompt"]), honest(row) if callable(honest) else _deserving(row, honest, number)))

    def score(number: int, reply: str) -> object:
        row = chosen[number]
        passed = {
            "data_source": row["data_source"],
            "solution_str": reply,
            "ground_truth": row["reward_model"]["ground_truth"],
            "extra_info": dict(row.get("extra_info") or {}),
        }
        return _finished(compute_score(**_accepted(compute_score, passed)))

    return Adapted(tasks, score, [compute_score])


def _deserving(row: Row, name: str, number: int) -> str:
    for place in (row, row.get("extra_info") or {}, row["reward_model"]):
        if name in place:
            return _words(place[name])
    known = sorted({*row, *(row.get("extra_info") or {}), *row["reward_model"]})
    raise DataError(
        f"row {number} has no {name!r} to take an honest reply from: expected honest= one of {', '.join(known)}, or a function"
    )


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


def verifiers_taskset(tasks: Iterable[Any], honest: Callable[[Any], str]) -> Adapted:
    """Tasks of a verifiers task set (0.4, `verifiers.v1`); `honest` gives a reply that deserves the reward for a task.

    Each reply is scored as a finished one-turn trace, without a runtime: verifiers leaves out rewards that need one.
    """
    chosen = list(islice(tasks, _MANY))

    async def scored(number: int, reply: str) -> float | None:
        import verifiers.v1 as vf
        from verifiers.v1.graph import MessageNode
        from verifiers.v1.trace import AgentInfo, TraceTask

        task = chosen[number]
        trace = vf.Trace(
            task=TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash),
            agent=AgentInfo(config=vf.AgentConfig()),
        )
        trace.nodes.append(MessageNode(message=vf.UserMessage(content=task.data.prompt_text)))
        trace.nodes.append(MessageNode(parent=0, message=vf.AssistantMessage(content=reply), sampled=True))
        await task.score(trace)
        given = [reward.value for reward in trace.rewards.values() if reward is not None]
        return sum(given) if given else None

    given = [Task(task.data.prompt_text, honest(task)) for task in chosen]
    return Adapted(given, lambda number, reply: _now(scored(number, reply)))


def inspect_task(task: Any, honest: Callable[[Any], str] | None = None) -> Adapted:
    """An Inspect task: its scorers applied to a reply to each sample; the score is their mean.

    `honest` gives a reply that deserves the score for a sample; by default the sample's target. The solver is not run: the reply is
    taken as the model's output. Grades are converted to numbers by Inspect's own `value_to_float`.
    """
    samples = list(islice(task.dataset, _MANY))

    async def scored(number: int, reply: str) -> float | None:
        from inspect_ai.model import ChatMessageUser, ModelName, ModelOutput
        from inspect_ai.scorer import Target, value_to_float
        from inspect_ai.solver import TaskState

        sample = samples[number]
        said = sample.input if isinstance(sample.input, list) else [ChatMessageUser(content=sample.input)]
        output = ModelOutput.from_content("mockllm/model", reply)
        state = TaskState(
            model=ModelName("mockllm/model"),
            sample_id=sample.id or number,
            epoch=1,
            input=sample.input,
            messages=[*said, output.message],
            target=Target(sample.target),
            choices=sample.choices,
            output=output,
            metadata=dict(sample.metadata or {}),
        )
        grades = [await scorer(state, Target(sample.target)) for scorer in task.scorer or []]
        numbers = [value_to_float()(grade.value) for grade in grades if grade is not None]
        return sum(numbers) / len(numbers) if numbers else None

    deserved = honest or (lambda sample: sample.target if isinstance(sample.target, str) else sample.target[0])
    tasks = [Task(_words(sample.input), deserved(sample)) for sample in samples]
    return Adapted(tasks, lambda number, reply: _now(scored(number, reply)))


def _words(value: object) -> str:
    """A prompt or a reply as text, whether it is a text or the messages of a conversation."""
    if isinstance(value, list | tuple):
        return "\n".join([str(turn["content"] if isinstance(turn, Mapping) else turn.content) for turn in value])
    return str(value)


def _now(score: Coroutine[Any, Any, float | None]) -> float | None:
    return asyncio.run(score)
