"""The turns of an agentic sample: tools are offered, calls are made, the last turn is the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import Tool, ToolDef, ToolError, ToolParam, ToolParams
from inspect_ai.util import sandbox

READ = 4000
"""maximum characters of a file that are returned to its reader"""
_SECONDS = 20


async def take_turns(state: TaskState, generate: Generate, most: int) -> TaskState:
    """Generates and makes the calls until a turn has none, at most `most` turns; the last turn cannot call tools."""
    for turn in range(most):
        if turn == most - 1:
            state.tool_choice = "none"
        before = len(state.messages)
        state = await generate(state, tool_calls="single")
        if not any(message.role == "tool" for message in state.messages[before:]):
            break
    return state


@solver
def in_memory(most: int) -> Solver:
    """Tools that answer with a fixed text; the calls are recorded in the messages."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.tools = [_fixed(tool) for tool in state.metadata["data"]["tools"]]
        return await take_turns(state, generate, most)

    return solve


def _fixed(tool: Mapping[str, Any]) -> Tool:
    async def execute(**kwargs: Any) -> str:
        return str(tool["gives"])

    return _tool(execute, tool["name"], tool["about"], tool["fields"])


def _tool(execute: Callable[..., Any], name: str, about: str, fields: Mapping[str, str]) -> Tool:
    properties = {field: ToolParam(type="string", description=what) for field, what in fields.items()}
    parameters = ToolParams(properties=properties, required=list(properties))
    return ToolDef(execute, name=name, description=about, parameters=parameters).as_tool()


@solver
def in_files(most: int) -> Solver:
    """A folder in the sample's sandbox, with tools to read, write and run its files; their final state goes to the store.

    The files in `data["files"]` are created first; the final content of those named in `data["watch"]` goes to the store as
    `after`. `data["hidden"]`, if present, names a labelled set: the verdicts of the written detector on its texts go to the store
    as `flags`.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        data = state.metadata["data"]
        for path, content in data["files"].items():
            await sandbox().write_file(path, content)
        state.tools = _file_tools()
        state = await take_turns(state, generate, most)
        state.store.set("after", {path: await _content(path) for path in data["watch"]})
        if "hidden" in data:
            from openwindow.evals.suites.agentic_data import run_detector

            state.store.set("flags", await run_detector(sandbox(), data["hidden"]))
        return state

    return solve


async def _content(path: str) -> str | None:
    """A file's text; None if it is gone or is not text."""
    try:
        return str(await sandbox().read_file(path))
    except (OSError, UnicodeDecodeError):
        return None


def _file_tools() -> list[Tool]:
    async def read(**kwargs: Any) -> str:
        found = await _content(kwargs["path"])
        if found is None:
            raise ToolError(f"{kwargs['path']} cannot be read")
        return found[:READ]

    async def write(**kwargs: Any) -> str:
        try:
            await sandbox().write_file(kwargs["path"], kwargs["content"])
        except OSError as error:
            raise ToolError(f"{kwargs['path']} cannot be written: {error.strerror}") from None
        return "Written."

    async def run(**kwargs: Any) -> str:
        try:
            done = await sandbox().exec(["python3", kwargs["path"]], timeout=_SECONDS)
        except TimeoutError:
            return f"It was stopped after {_SECONDS} s."
        return f"{done.stdout}{done.stderr}"[:2000] or "It printed nothing."

    async def names(**kwargs: Any) -> str:
        done = await sandbox().exec(["ls"], timeout=_SECONDS)
        return str(done.stdout)

    path = {"path": "the file's name"}
    return [
        _tool(names, "list_files", "list the files", {}),
        _tool(read, "read_file", "read a file", path),
        _tool(write, "write_file", "write a whole file", path | {"content": "its new text"}),
        _tool(run, "run_python", "run a Python file", path),
    ]
