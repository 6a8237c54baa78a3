"""Adapts graders that other libraries hold in objects of their own: a verifiers task set, an Inspect task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from openwindow.environments.graders.adapters import Adapted, Truth, adapted
from openwindow.environments.graders.rows import asked, words
from openwindow.environments.graders.scores import NoScore
from openwindow.environments.graders.tasks import MOST_TASKS
from openwindow.errors import DataError

NOT_RUN = (
    "and conversations of several turns are not run; expected tasks with one reply each; give a task set of such, or read the "
    "rollouts that verifiers leaves: openwindow watch"
)
Reply = str | Callable[[Any], str] | None
"""a reply to each task that does it: the name of a field, a function of the task, or none"""


def verifiers_taskset(tasks: Iterable[Any], honest: Reply = None, *, flawed: Reply = None, truth: Truth | None = None) -> Adapted:
    """Tasks of a verifiers task set (0.4, `verifiers.v1`).

    `honest` gives a reply that deserves the reward for a task: a field of its data, or a function of the task; `flawed` one that
    earns it and does not deserve it; `truth(task, reply)` says whether a reply does the task. Each reply is scored as a finished
    one-turn trace, without a runtime: verifiers leaves out rewards that need one. Raises DataError.
    """
    chosen = list(islice(tasks, MOST_TASKS + 1))
    for number, task in enumerate(chosen):
        if (why := _several_turns(task)) is not None:
            raise DataError(f"task {number} {why}, {NOT_RUN}")

    async def scored(number: int, reply: str) -> float:
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
        if not given:
            raise NoScore("none of its rewards can be computed without a runtime")
        return float(sum(given))

    given = [
        asked(
            _turns_of(task.data), number, "prompt", _reply(task, task.data, honest, number), _reply(task, task.data, flawed, number)
        )
        for number, task in enumerate(chosen)
    ]
    return adapted(given, lambda number, reply: asyncio.run(scored(number, reply)), [type(t) for t in chosen[:1]], truth, chosen)


def environment_of_turns(thing: object) -> str | None:
    """What a verifiers environment runs besides one agent with its task set, in words; None for a plain one, or a task set."""
    kinds = [kind.__name__ for kind in type(thing).__mro__]
    if "taskset" not in dir(thing) or "SingleAgentEnv" in kinds or "Env" not in kinds:
        return None
    return f"a verifiers environment that runs its agents over several turns ({type(thing).__name__})"


def _several_turns(task: Any) -> str | None:
    """Why one reply is not all of a task, in words; None if it is."""
    fields = vars(task.data)
    if "prompt" in fields and fields["prompt"] is None:
        return "has no prompt, since a simulated user opens its conversation"
    if "toolsets" in dir(type(task)) and type(task).toolsets(task.config):
        return "gives the model tools, so that it has several turns"
    return None


def _turns_of(data: Any) -> object:
    """The prompt of a task's data, with its system prompt if there is one."""
    fields = vars(data)
    prompt, system = fields.get("prompt") or data.prompt_text, fields.get("system_prompt")
    if system is None:
        return prompt
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    return [{"role": "system", "content": system}, *turns]


def inspect_task(task: Any, honest: Reply = "target", *, flawed: Reply = None, truth: Truth | None = None) -> Adapted:
    """An Inspect task: its scorers applied to a reply to each sample; the score is their mean.

    `honest` gives a reply that deserves the score for a sample, by default the sample's target: a key of its metadata, or a
    function of the sample; `flawed` and `truth(sample, reply)` as of `verifiers_taskset`. The solver is not run: the reply is taken
    as the model's output. Grades are converted to numbers by Inspect's own `value_to_float`. Raises DataError.
    """
    samples = list(islice(task.dataset, MOST_TASKS + 1))

    async def scored(number: int, reply: str) -> float | None:
        from inspect_ai.model import ChatMessageUser, ModelName, ModelOutput
        from inspect_ai.scorer import Target, value_to_float
        from inspect_ai.solver import TaskState

        sample = samples[number]
        given = sample.input if isinstance(sample.input, list) else [ChatMessageUser(content=sample.input)]
        output = ModelOutput.from_content("mockllm/model", reply)
        state = TaskState(
            model=ModelName("mockllm/model"),
            sample_id=sample.id or number,
            epoch=1,
            input=sample.input,
            messages=[*given, output.message],
            target=Target(sample.target),
            choices=sample.choices,
            output=output,
            metadata=dict(sample.metadata or {}),
        )
        grades = [await scorer(state, Target(sample.target)) for scorer in task.scorer or []]
        numbers = [value_to_float()(grade.value) for grade in grades if grade is not None]
        return sum(numbers) / len(numbers) if numbers else None

    def reply_to(sample: Any, wanted: Reply, number: int) -> str:
        if wanted == "target":
            return words(sample.target if isinstance(sample.target, str) else sample.target[0])
        if isinstance(wanted, str) and wanted not in (sample.metadata or {}):
            known = ", ".join(["target", *(sample.metadata or {})])
            raise DataError(f"sample {number} has no {wanted!r} in its metadata: expected one of {known}; name one of them")
        return words((sample.metadata or {})[wanted]) if isinstance(wanted, str) else _called(sample, wanted)

    tasks = [
        asked(sample.input, number, "prompt", reply_to(sample, honest, number), reply_to(sample, flawed, number))
        for number, sample in enumerate(samples)
    ]
    return adapted(tasks, lambda number, reply: asyncio.run(scored(number, reply)), list(task.scorer or []), truth, samples)


def _reply(task: Any, data: Any, wanted: Reply, number: int) -> str:
    if not isinstance(wanted, str):
        return _called(task, wanted)
    fields = vars(data)
    if wanted not in fields:
        raise DataError(f"task {number} has no {wanted!r} in its data: expected one of {', '.join(fields)}; name one of them")
    return words(fields[wanted])


def _called(item: Any, wanted: Callable[[Any], str] | None) -> str:
    return "" if wanted is None else words(wanted(item))
