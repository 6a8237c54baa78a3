"""Runs untrusted programs, many per second, and says how each ended.

`Sandbox` keeps a pool of warm workers (`worker.py`), each isolated by what the kernel offers (`isolation.py`). Every program
gets a process of its own, an empty folder, no network, no other process to see, and its limits; nothing of it
outlives it.

Some things are not stopped, whatever the host offers: a program takes its share of the processor while it runs, and one that
starves another sends it into a second run, alone; it can read the clock and the standard library; memory is limited per process,
so that a program may take `processes` times `memory_mb`; and a hole in the kernel itself is a way out. `Sandbox.describe` says in
sentences what else is not stopped on a particular host.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from openwindow.errors import ConfigError, SandboxError
from openwindow.sandbox.jobs import Answer, Calls, Job, Limits, Outcome, Raised, Returned, Script, Status
from openwindow.sandbox.pool import Batch, Worker

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
    """What this host offers, and what is therefore not stopped."""

    in_force: tuple[str, ...]
    """Measures in force."""
    guarantees: frozenset[str]
    """What they guarantee: names that `Sandbox(require=...)` accepts."""
    missing: tuple[str, ...]
    """Measures that the host refuses, with its reason."""
    not_stopped: tuple[str, ...]
    """What a program can therefore do, in sentences."""


def _any(*names: str) -> tuple[frozenset[str], ...]:
    return tuple([frozenset({name}) for name in names])


# guarantee: (sets of measures, any complete one of which provides it; what is not stopped without it)
GUARANTEES: dict[str, tuple[tuple[frozenset[str], ...], str]] = {
    "network": (_any("network", "seccomp"), "Programs can reach the network."),
    "hypervisor": (_any("seccomp"), "Programs can open sockets to the hypervisor of this machine, if there is one."),
    "files": (
        (frozenset({"mount"}), frozenset({"landlock", "truncation", "seccomp"})),
        "Programs can read, write or change the rights, owners and times of whatever files their user can.",
    ),
    "sight": (_any("mount"), "Programs can see which files exist, how large they are and when they were used."),
    "disk": (
        _any("tmpfs"),
        "The working folder is on a real disk: each file is limited in size, but their number and total size are not.",
    ),
    "processes": (
        _any("pid", "seccomp"),
        "A program that forks fast enough can outlive its run, and programs can signal other processes of their user.",
    ),
    "identity": (_any("user", "identity"), "Programs run as the user who started them."),
    "process_limit": (_any("user"), "The number of a program's processes and threads is limited only by memory."),
    "ipc": (_any("ipc", "seccomp"), "Shared memory and message queues that a program makes outlive it."),
    "hostname": (_any("uts"), "Programs can see the name of the host."),
    "apart": (
        _any("seccomp"),
        "Programs that run side by side can talk, by locks on files that all of them see, so that one solution may pass for many; "
        "they can watch what other processes open, see how busy the machine is, and use up what the kernel has a fixed number of.",
    ),
    "crashes": (_any("seccomp"), "A program that crashes can start the program that the host hands core files to."),
    "syscalls": (
        _any("seccomp"),
        "Every system call can be made, so a hole in a rarely used part of the kernel is within reach.",
    ),
}
ALWAYS = (
    "Programs that run side by side share processors, caches and memory: they can slow each other down and signal by it.",
    "Programs can see the path of the interpreter and of every folder shown to them, the kind and number of the processors, and "
    "the numbers that the kernel gives to new files all over the machine.",
    "A program can count how many processes and files those before it in its worker have made, and so be told a small number.",
)
"""What is not stopped on any host, besides holes in the kernel."""


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
        """Starts the workers; SandboxError if the host offers less than `require`, or no way to cut off the network.

        `readable` lists folders that programs may read and import from besides the standard library; `without` leaves
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
        """Ends all workers and everything that runs in them."""
        for worker in self._workers:
            worker.stop()
            worker.pending.clear()

    def describe(self) -> HostIsolation:
        """What the host offers, and what is therefore not stopped."""
        return self._host

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Runs the jobs, spread over the workers, and returns their outcomes in order. Never raises because of what they do."""
        with self._lock:
            try:
                return Batch(self._workers, self.limits, jobs).outcomes()
            except BaseException:  # interrupted midway: no worker may answer the next call with an answer to this one
                self.close()
                raise


def _describe(force: list[str], missing: dict[str, str]) -> HostIsolation:
    given = frozenset(name for name, (ways, _) in GUARANTEES.items() if any(way <= set(force) for way in ways))
    return HostIsolation(
        in_force=tuple(force),
        guarantees=given,
        missing=tuple(f"{name}: {reason}" for name, reason in missing.items()),
        not_stopped=(*[sentence for name, (_, sentence) in GUARANTEES.items() if name not in given], *ALWAYS),
    )
