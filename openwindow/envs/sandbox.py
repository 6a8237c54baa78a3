"""Runs programs that nobody has read, many per second, and says how each ended.

`Sandbox` keeps a pool of warm workers (`child.py`), each behind what the kernel gives (`isolation.py`). Every program
gets a process of its own, an empty folder, no network, no other process to see, and its limits; nothing of it
outlives it.

What is not stopped, whatever the host gives: a program takes its share of the processor while it runs; it can read
the clock and the standard library; memory is limited per process, so that a program may take `processes` times
`memory_mb`; and a hole in the kernel itself is a way out. What else is not stopped on a particular host,
`Sandbox.describe` says in sentences.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from openwindow.envs.jobs import Answer, Calls, Job, Limits, Outcome, Raised, Returned, Script, Status
from openwindow.envs.pool import Batch, Worker
from openwindow.errors import ConfigError, SandboxError

__all__ = [
    "Answer",
    "Calls",
    "HostIsolation",
    "Job",
    "Limits",
    "Outcome",
    "Raised",
    "Returned",
    "Sandbox",
    "Script",
    "Status",
]


@dataclass(frozen=True)
class HostIsolation:
    """What this host gives, and what is therefore not stopped."""

    in_force: tuple[str, ...]
    """Measures in force."""
    guarantees: frozenset[str]
    """What they amount to: names that `Sandbox(require=...)` takes."""
    missing: tuple[str, ...]
    """Measures that the host refuses, with its reason."""
    not_stopped: tuple[str, ...]
    """What a program can therefore do, in sentences."""


# guarantee: (the measures of which any one gives it, what is not stopped without it)
GUARANTEES: dict[str, tuple[frozenset[str], str]] = {
    "network": (frozenset({"network", "seccomp"}), "Programs can reach the network."),
    "files": (
        frozenset({"mount", "landlock"}),
        "Programs can read and write whatever files their user can.",
    ),
    "disk": (
        frozenset({"tmpfs"}),
        "The working folder lies on a real disk: each file is limited in size, their number and sum are not.",
    ),
    "processes": (
        frozenset({"pid", "seccomp"}),
        "A program that forks fast enough can outlive its run, and programs can signal other processes of their user.",
    ),
    "identity": (
        frozenset({"user", "identity"}),
        "Programs run as the user who started them.",
    ),
    "process_limit": (
        frozenset({"user"}),
        "The number of a program's processes and threads is not limited, but by memory.",
    ),
    "ipc": (
        frozenset({"ipc", "seccomp"}),
        "Shared memory and message queues that a program makes outlive it.",
    ),
    "syscalls": (
        frozenset({"seccomp"}),
        "Every system call can be made, so a hole in a rarely used part of the kernel is within reach.",
    ),
}


class Sandbox:
    """A pool of warm, isolated workers; a context manager."""

    def __init__(
        self,
        workers: int = 2,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        require: frozenset[str] = frozenset(),
        *,
        readable: tuple[Path, ...] = (),
        without: frozenset[str] = frozenset(),
    ) -> None:
        """Starts the workers; SandboxError where the host gives less than `require`, or no way to cut the network.

        `readable` are folders that programs may read and import from besides the standard library; `without` leaves
        measures out on purpose, to see what remains.
        """
        unknown = sorted(require - set(GUARANTEES))
        if unknown:
            raise SandboxError(f"cannot require {', '.join(unknown)}: the guarantees are {', '.join(GUARANTEES)}")
        for name, value in asdict(limits).items():
            if value <= 0:
                raise ConfigError(f"the limit {name} is {value}: give a number above 0")
        if sys.platform != "linux":
            raise SandboxError(f"programs are isolated by Linux's own means and this is {sys.platform}: use a Linux container")
        self.limits = limits
        self._lock = threading.Lock()
        self._workers = [Worker(limits, readable, without) for _ in range(max(1, workers))]
        try:
            for worker in self._workers:
                worker.start()
            for worker in self._workers:
                worker.greet()
            self._host = _describe(self._workers[0].force, self._workers[0].missing)
            lacking = sorted((require | {"network"}) - self._host.guarantees)
            if lacking:
                reasons = "; ".join(self._host.missing)
                raise SandboxError(f"this host does not give {', '.join(lacking)} ({reasons}): run elsewhere or require less")
            probe = self.run([Script("pass")] * len(self._workers))[0]
            if probe.status is not Status.OK:
                raise SandboxError(f"not even an empty program runs here: {probe.detail} {probe.stdout}".strip())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends all workers and whatever runs in them."""
        for worker in self._workers:
            worker.stop()
            worker.pending.clear()

    def describe(self) -> HostIsolation:
        """What the host gives, and what is therefore not stopped."""
        return self._host

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Runs the jobs, spread over the workers, and gives their outcomes in order. Never raises for what they do."""
        with self._lock:
            try:
                return Batch(self._workers, self.limits, jobs).outcomes()
            except BaseException:  # interrupted half way: no worker may answer the next call with what this one asked
                self.close()
                raise


def _describe(force: list[str], missing: dict[str, str]) -> HostIsolation:
    given = frozenset(name for name, (measures, _) in GUARANTEES.items() if measures & set(force))
    return HostIsolation(
        in_force=tuple(force),
        guarantees=given,
        missing=tuple(f"{name}: {reason}" for name, reason in missing.items()),
        not_stopped=tuple(sentence for name, (_, sentence) in GUARANTEES.items() if name not in given),
    )
