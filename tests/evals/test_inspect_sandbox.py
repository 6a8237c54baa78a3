"""The sandbox that Inspect's tools run in: Inspect's own checks of a provider, and a task from end to end with a scripted model."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

pytest.importorskip("inspect_ai")

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer
from inspect_ai.solver import TaskState, generate, use_tools
from inspect_ai.tool import bash
from inspect_ai.util import OutputLimitExceededError, SandboxUserUnsupportedError, sandbox
from inspect_ai.util._sandbox import self_check
from inspect_ai.util._sandbox.limits import override_max_exec_output_size

from openwindow.evals.inspect.sandbox import OpenWindowSandbox
from openwindow.sandbox.shell import Shell

ELSEWHERE = {
    "test_exec_as_user": "there is one user",
    "test_exec_permission_error": "there is no /etc/passwd; see below",
    "test_exec_timeout_kills_process": "there is no ps; see test_shell.py",
    "test_exec_timeout_kills_child_processes": "there is no ps; see test_shell.py",
}
CHECKS = [check for name, check in sorted(vars(self_check).items()) if name.startswith("test_") and name not in ELSEWHERE]


# Inspect uses what its own dependencies have deprecated, and leaves streams to the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenWindowSandbox]:
    with Shell() as shell:
        yield OpenWindowSandbox(shell)


def test_there_are_checks() -> None:
    assert len(CHECKS) >= 35


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_inspects_own_check(check, provider) -> None:
    anyio.run(check, provider)


def test_what_cannot_be_run_raises_or_says_so(provider) -> None:
    anyio.run(provider.write_file, "plain.txt", "no program")
    with pytest.raises(PermissionError):
        anyio.run(provider.exec, ["./plain.txt"])
    missing = anyio.run(provider.exec, ["no-such-command"])
    assert (missing.success, missing.returncode) == (False, 127) and "no-such-command" in missing.stderr
    with pytest.raises(SandboxUserUnsupportedError, match="has one user and cannot run as 'root'"):
        anyio.run(partial(provider.exec, ["id"], user="root"))


def test_a_long_output_is_refused_with_its_beginning(provider) -> None:
    with override_max_exec_output_size(1000), pytest.raises(OutputLimitExceededError) as error:
        anyio.run(provider.exec, ["sh", "-c", "yes | head -c 5000"])
    assert error.value.truncated_output == "y\n" * 500


def test_a_cancelled_command_does_not_keep_the_eval_waiting() -> None:
    async def cancelled() -> float:
        environments = await OpenWindowSandbox.sample_init("task", None, {})
        start = time.monotonic()
        with anyio.move_on_after(0.2):
            await environments["default"].exec(["sleep", "60"])
        await OpenWindowSandbox.sample_cleanup("task", None, environments, True)
        return time.monotonic() - start

    assert anyio.run(cancelled) < 5


@scorer(metrics=[accuracy()])
def left_in_the_folder() -> Scorer:
    """Whether the model's command has written what the sample's file holds, twice."""

    async def score(state: TaskState, target: Target) -> Score:
        written = await sandbox().read_file("out.txt")
        return Score(value=written == target.text, answer=written)

    return score


def test_a_task_runs_from_end_to_end_with_a_folder_per_sample(tmp_path: Path) -> None:
    command = "cat in.txt in.txt > out.txt; ls | wc -l; ls /work /home 2>&1 | wc -c"
    call = ModelOutput.for_tool_call("mockllm/model", "bash", {"command": command})
    plain = ModelOutput.from_content("mockllm/model", "done")
    for output in (call, plain):
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else Inspect fetches a tokenizer to count
    samples = [Sample(input="Double it.", files={"in.txt": text}, target=text * 2) for text in ("ab", "xyz")]
    task = Task(samples, solver=[use_tools(bash(timeout=20)), generate()], scorer=left_in_the_folder(), sandbox="openwindow")
    model = get_model("mockllm/model", custom_outputs=[call, plain] * 2)
    log = eval(task, model=model, log_dir=str(tmp_path), display="none", max_samples=1)[0]
    assert log.status == "success", log.error
    assert log.results is not None and log.results.scores[0].metrics["accuracy"].value == 1.0
    assert log.samples is not None
    said = [message.text for sample in log.samples for message in sample.messages if message.role == "tool"]
    assert [text.split()[0] for text in said] == ["2", "2"]
    gc.collect()


def test_a_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="it takes no configuration"):
        anyio.run(OpenWindowSandbox.task_init, "task", "compose.yaml")
