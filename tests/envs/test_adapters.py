"""Graders of other libraries: called as their own trainers and evals call them. The libraries are stood in for by fakes."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from openwindow.check_env import audit_grader
from openwindow.envs import adapters
from openwindow.envs.graders import Task
from openwindow.errors import DataError, EnvironmentFault


def opened(audit: Any) -> set[str]:
    return {finding.hole for finding in audit.findings if finding.open}


def test_c24_trl_reward_functions_are_called_as_the_trainer_calls_them():
    calls: list[dict[str, Any]] = []

    def right(prompts: Any, completions: Any, solution: Any, **columns: Any) -> list[float | None]:
        calls.append({"prompts": prompts, "completions": completions, "solution": solution, **columns})
        return [float(solution[0] in completions[0][0]["content"])]

    def nothing(**columns: Any) -> list[float | None]:
        return [None]

    prompt = [{"role": "user", "content": "What is 17 + 5?"}]
    rows = [{"prompt": prompt, "solution": "22", "level": 3}]
    grader = adapters.trl_reward([right, nothing], rows, weights=[0.5, 2.0])
    assert grader.score(grader.tasks()[0], "22") == 0.5
    turn = [[{"role": "assistant", "content": "22"}]]
    given = {name: calls[0].pop(name) for name in ("completion_ids", "trainer_state", "log_extra", "log_metric")}
    assert calls == [{"prompts": [prompt], "completions": turn, "solution": ["22"], "level": [3]}]
    assert len(given["completion_ids"][0]) == 1 and given["trainer_state"].global_step == 0
    assert opened(audit_grader("trl", grader)) == {"list_answers", "retracted", "near_miss"}
    assert grader.tasks()[0].prompt == "What is 17 + 5?"
    silent = adapters.trl_reward(nothing, rows)
    with pytest.raises(EnvironmentFault, match=r"the grader crashed: ValueError: it gave no score"):
        audit_grader("trl", silent)
    with pytest.raises(DataError, match=r"row 0 has the columns question: expected 'prompt' and 'solution'"):
        adapters.trl_reward(right, [{"question": "?"}])


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


class Record(types.SimpleNamespace):
    """Keeps what it was made from."""


def test_an_inspect_task_is_scored_by_its_scorers(monkeypatch):
    class Output(Record):
        @staticmethod
        def from_content(model: str, content: str) -> Record:
            return Record(completion=content, message=Record(role="assistant", content=content))

    fake(monkeypatch, "inspect_ai")
    fake(monkeypatch, "inspect_ai.model", ChatMessageUser=Record, ModelName=str, ModelOutput=Output)
    fake(monkeypatch, "inspect_ai.solver", TaskState=Record)
    to_float = {"C": 1.0, "I": 0.0}
    fake(monkeypatch, "inspect_ai.scorer", Target=list, value_to_float=lambda: to_float.__getitem__)

    async def includes(state: Any, target: Any) -> Any:
        assert [message.content for message in state.messages] == ["What is 17 + 5?", state.output.completion]
        return Record(value="C" if target[0] in state.output.completion else "I")

    sample = Record(id=None, input="What is 17 + 5?", target=["22"], choices=None, metadata=None)
    grader = adapters.inspect_task(Record(dataset=[sample], scorer=[includes]))
    assert grader.tasks()[0] == Task("What is 17 + 5?", "22")
    assert opened(audit_grader("inspect", grader)) == {"list_answers", "retracted", "near_miss"}


def test_a_verifiers_taskset_is_scored_by_its_rewards(monkeypatch):
    def trace(task: Any, agent: Any) -> Record:
        return Record(task=task, agent=agent, nodes=[], rewards={})

    made = {"Trace": trace, "AgentConfig": Record, "UserMessage": Record, "AssistantMessage": Record}
    fake(monkeypatch, "verifiers")
    fake(monkeypatch, "verifiers.v1", **made)
    sys.modules["verifiers"].v1 = sys.modules["verifiers.v1"]  # type: ignore[attr-defined]
    fake(monkeypatch, "verifiers.v1.graph", MessageNode=Record)
    fake(monkeypatch, "verifiers.v1.trace", AgentInfo=Record, TraceTask=Record)

    async def score(trace: Any) -> None:
        trace.rewards = {"right": Record(value=float("22" in trace.nodes[-1].message.content)), "unknown": None}

    task = Record(data=Record(prompt_text="What is 17 + 5?"), key="k", hash="h", score=score)
    grader = adapters.verifiers_taskset([task], lambda t: "22")
    assert opened(audit_grader("verifiers", grader)) == {"list_answers", "retracted", "near_miss"}
