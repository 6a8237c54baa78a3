"""Runs Inspect's tools in openwindow's own sandbox, without docker: a task or an eval with `sandbox="openwindow"`.

Each sample gets a private folder with its files, and its commands run behind `openwindow.sandbox.shell`: no network, a read-only
system, limits, nothing left at the end. Commands of one sample run one after the other. A solver that needs its own image, a
network or another user takes `sandbox="docker"`, which is Inspect's.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Literal, overload

import anyio
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxEnvironment,
    SandboxEnvironmentConfigType,
    SandboxEnvironmentLimits,
    SandboxUserUnsupportedError,
    sandboxenv,
)

from openwindow.sandbox.shell import Ended, Shell


@sandboxenv(name="openwindow")
class OpenWindowSandbox(SandboxEnvironment):
    """One sample's folder and commands."""

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        self.shell = shell

    @classmethod
    def default_concurrency(cls) -> int | None:
        """How many samples run at a time by default."""
        return 2 * (os.cpu_count() or 1)

    @classmethod
    async def task_init(cls, task_name: str, config: SandboxEnvironmentConfigType | None) -> None:
        """Tries the isolation once, so that a host without it fails before the first sample."""
        if config is not None:
            raise ValueError(f"sandbox ('openwindow', {config!r}): it takes no configuration; give sandbox='openwindow'")
        (await anyio.to_thread.run_sync(Shell)).close()

    @classmethod
    async def sample_init(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        """A fresh folder."""
        return {"default": cls(await anyio.to_thread.run_sync(Shell))}

    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,
        config: SandboxEnvironmentConfigType | None,
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,
    ) -> None:
        """Ends whatever still runs, and removes the folder."""
        for environment in environments.values():
            environment.as_type(OpenWindowSandbox).shell.close()

    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        """Runs a command; TimeoutError at the limit (it is not tried again), OutputLimitExceededError for too long an output."""
        if user is not None:
            raise SandboxUserUnsupportedError(
                f"the openwindow sandbox has one user and cannot run as {user!r}; use sandbox='docker'"
            )
        given = input.encode() if isinstance(input, str) else input or b""
        keep = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE
        run = partial(self.shell.run, cmd, given=given, folder=cwd or ".", env=env, seconds=timeout, keep=keep)
        ended: Ended = await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
        if ended.late:
            raise TimeoutError(f"{cmd[0]} was still running after {timeout} s")
        stdout, stderr = (text.decode("utf-8", "replace") for text in (ended.stdout, ended.stderr))
        if ended.cut:
            raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE_STR, stdout or stderr)
        return ExecResult(ended.code == 0, ended.code, stdout, stderr)

    async def write_file(self, file: str, contents: str | bytes) -> None:
        """Writes a file, by a path from the sample's folder."""
        content = contents.encode() if isinstance(contents, str) else contents
        await anyio.to_thread.run_sync(partial(self.shell.write, file, content), abandon_on_cancel=True)

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        """Reads a file, by a path from the sample's folder."""
        most = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
        content = await anyio.to_thread.run_sync(partial(self.shell.read, file, most), abandon_on_cancel=True)
        if content is None:
            raise OutputLimitExceededError(SandboxEnvironmentLimits.MAX_READ_FILE_SIZE_STR, None)
        return content.decode() if text else content
