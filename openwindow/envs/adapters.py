"""Graders of other libraries in the form that an audit takes: a TRL reward function, a verifiers task set, an Inspect task.

In a module of your own, and then `openwindow check-env mine:grader`:

    from openwindow.envs.adapters import trl_reward
    grader = trl_reward(accuracy_reward, rows, honest="solution")

A library is imported when the first score is asked for. Graders that start a model as judge or a container of their own are
called as they are; what that costs is theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from openwindow.envs.graders import Task
from openwindow.errors import DataError
from openwindow.types import Case

Row = Mapping[str, Any]
Reward = Callable[..., Sequence[float | None]]
_MANY = 32  # rows that are looked at; an audit tries the first few


class Adapted:
    """Tasks, and a function that scores a reply to the one with a given number."""

    def __init__(self, tasks: Sequence[Task], score: Callable[[int, str], float | None]) -> None:
        self._tasks = tuple(tasks)
        self._score = score

    def with_tests(self, entry_point: str, visible: Sequence[Sequence[Case]]) -> Adapted:
        """The same grader of functions, with what its prompts show: the name of the function and each task's tests."""
        tests = zip(self._tasks, visible, strict=True)
        return Adapted([replace(task, entry_point=entry_point, visible=tuple(cases)) for task, cases in tests], self._score)

    def tasks(self) -> Sequence[Task]:
        """The tasks, in the library's order."""
        return self._tasks

    def score(self, task: Task, submission: str) -> float:
        """The library's score; ValueError where it gives none."""
        given = self._score(self._tasks.index(task), submission)
        if given is None:
            raise ValueError("it gave no score")
        return float(given)


def trl_reward(
    rewards: Reward | Sequence[Reward],
    rows: Iterable[Row],
    *,
    honest: str = "solution",
    prompt: str = "prompt",
    weights: Sequence[float] | None = None,
) -> Adapted:
    """Reward functions as TRL's `GRPOTrainer` calls them, one completion at a time, and summed with their weights.

    `rows` are the data set's; `honest` is the column with a reply that deserves the reward, `prompt` the one with the prompt.
    Every other column is passed on. A completion is a list of one message where the prompt is a conversation.
    """
    functions: list[Reward] = [rewards] if callable(rewards) else list(rewards)
    scales = [1.0] * len(functions) if weights is None else list(weights)
    chosen = list(islice(rows, _MANY))
    tasks = []
    for number, row in enumerate(chosen):
        if prompt not in row or honest not in row:
            raise DataError(f"row {number} has the columns {', '.join(row)}: expected {prompt!r} and {honest!r} among them")
        tasks.append(Task(_words(row[prompt]), _words(row[honest])))

    def score(number: int, reply: str) -> float | None:
        row = chosen[number]
        columns = {name: [value] for name, value in row.items() if name != prompt}
        turn: object = reply if isinstance(row[prompt], str) else [{"role": "assistant", "content": reply}]
        given = [function(prompts=[row[prompt]], completions=[turn], **columns)[0] for function in functions]
        known = [scale * float(value) for scale, value in zip(scales, given, strict=True) if value is not None]
        return sum(known) if known else None

    return Adapted(tasks, score)


def verifiers_taskset(tasks: Iterable[Any], honest: Callable[[Any], str]) -> Adapted:
    """Tasks of a verifiers task set (0.4, `verifiers.v1`); `honest` gives for a task a reply that deserves the reward.

    Each reply is scored as a finished one-turn trace, without a runtime: rewards that need one are left out by verifiers.
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
    """An Inspect task: its scorers on a reply to each sample; the score is their mean.

    `honest` gives for a sample a reply that deserves it, the sample's target by default. The solver is not run: the reply
    stands as the output of the model. Grades become numbers as Inspect's own `value_to_float` has it.
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
    """A prompt or a reply as text, be it a text or the messages of a conversation."""
    if isinstance(value, list | tuple):
        return "\n".join([str(turn["content"] if isinstance(turn, Mapping) else turn.content) for turn in value])
    return str(value)


def _now(score: Coroutine[Any, Any, float | None]) -> float | None:
    return asyncio.run(score)
