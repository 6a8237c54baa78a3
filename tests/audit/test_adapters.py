"""Graders of other libraries: called as their own trainers and evals call them. The libraries are stood in for by fakes."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from openwindow.audit import adapters
from openwindow.audit.graders import Task
from openwindow.audit.run import audit_grader
from openwindow.errors import DataError, EnvironmentFault

pytestmark = pytest.mark.slow


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


PROMPT = [{"role": "user", "content": "What is 17 + 5?"}]
ROWS = [{"prompt": PROMPT, "solution": "22", "completion": "unused", "level": 3}]


def test_c24_a_reward_gets_all_that_trl_passes():
    seen: dict[str, Any] = {}

    class Board:
        def reset(self, **row: Any) -> None:
            self.level = row["level"]

    def reward(prompts, completions, completion_ids, solution, log_metric, log_extra, trainer_state, environments, **columns):
        log_metric("right", 1.0)
        log_extra("said", ["x"])
        seen.update(columns, ids=completion_ids, step=trainer_state.global_step, level=environments[0].level)
        return [float(c[0]["content"].strip() == s) for c, s in zip(completions, solution, strict=True)]

    grader = adapters.trl_reward(reward, ROWS, environment=Board)
    assert grader.score(grader.tasks()[0], "22") == 1.0
    assert seen == {"ids": seen["ids"], "step": 0, "level": 3} and len(seen["ids"]) == 1
    counted = adapters.trl_reward(
        lambda completion_ids, **_: [-float(len(completion_ids[0]))], ROWS, tokenizer=lambda text: [7] * 9
    )
    assert counted.score(counted.tasks()[0], "22") == -9.0
    assert adapters.trl_reward(lambda completions, solution: [1.0], ROWS).score(grader.tasks()[0], "x") == 1.0


def test_c24_the_names_are_those_of_trl_itself():
    grpo = pytest.importorskip("trl.trainer.grpo_trainer")
    import inspect

    source = inspect.getsource(grpo.GRPOTrainer._calculate_rewards)
    given: dict[str, Any] = {}

    def reward(**columns: Any) -> list[float]:
        given.update(columns)
        return [1.0]

    adapters.trl_reward(reward, ROWS).score(Task("What is 17 + 5?", "22"), "22")
    assert {"completion", "prompt"}.isdisjoint(given)
    for name in set(given) - {"solution", "level"}:
        assert name in source, name


def test_c25_async_rewards_are_awaited_beside_others():
    async def later(completions: Any, solution: Any, **columns: Any) -> list[float]:
        return [float(completions[0][0]["content"].strip() == solution[0])]

    grader = adapters.trl_reward([later, lambda **columns: [None], lambda **columns: [float("nan")]], ROWS)
    audit = audit_grader("trl", grader)
    assert (audit.exit_code, opened(audit)) == (0, set())


def test_c24_a_reward_for_another_number_of_completions_is_said_so():
    with pytest.raises(EnvironmentFault, match=r"it returned 2 rewards for one completion: expected a list of one"):
        audit_grader("trl", adapters.trl_reward(lambda **columns: [1.0, 0.0], ROWS))


VERL = [
    {
        "data_source": "own/sums",
        "prompt": PROMPT,
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "22"},
        "extra_info": {"index": 0, "answer": "17 + 5 makes #### 22"},
    }
]


def test_c26_a_score_of_verls_is_called_as_verl_calls_it():
    def compute_score(data_source, solution_str, ground_truth, extra_info=None):
        assert data_source == "own/sums" and extra_info["index"] == 0
        right = solution_str.strip().endswith(f"#### {ground_truth}")
        return {"score": 1.0 if right else -1.0, "acc": right, "pred": solution_str}

    grader = adapters.verl_reward(compute_score, VERL)
    assert grader.tasks()[0].honest == "17 + 5 makes #### 22"
    assert (grader.score(grader.tasks()[0], "#### 22"), grader.score(grader.tasks()[0], "#### 23")) == (1.0, -1.0)
    audit = audit_grader("verl", grader)
    assert audit.exit_code == 0 and opened(audit) == set()
    truth = adapters.verl_reward(
        lambda solution_str, ground_truth, **_: float(ground_truth in solution_str), VERL, honest="ground_truth"
    )
    assert opened(audit_grader("verl", truth)) == {"list_answers", "retracted", "near_miss"}
    with pytest.raises(DataError, match=r"row 0 has the columns prompt: expected data_source, prompt, and reward_model"):
        adapters.verl_reward(compute_score, [{"prompt": PROMPT}])
    with pytest.raises(DataError, match=r"has no 'proof' to take an honest reply from: expected honest= one of ability, answer"):
        adapters.verl_reward(compute_score, VERL, honest="proof")
