"""An isolated shell: one private folder, and commands run in it one after the other, behind the same isolation as `Sandbox`.

While `Sandbox` gives every program a fresh folder, a `Shell` keeps its folder (and what commands leave running) until it is closed,
as an agent's tools need it. The system's commands and the interpreter are visible read-only; there is no network, no /proc and no
other user. Inside runs `shell_worker.py`. Unlike `Sandbox` it accepts nothing less than full isolation: otherwise it refuses to
start.

Not stopped: commands take their share of the processor; memory is limited per process; they can read the clock, the
system's programs and the standard library, and lock them, so that commands of two shells can signal to each other; they see
how large and how busy the machine is; and a hole in the kernel is a way out.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from openwindow.errors import SandboxError
from openwindow.sandbox import codec, shell_worker
from openwindow.sandbox.pool import spawn
from openwindow.sandbox.worker_folders import Scratch

_BOOT = "from openwindow.sandbox import isolation, shell_worker\nshell_worker.main(isolation.Settings(**settings), *more)\n"
_SYSTEM = ("/bin", "/sbin", "/usr/bin", "/usr/local/bin", "/usr/share", "/etc/alternatives")
_START_SECONDS = 60.0
_GRACE_SECONDS = 10.0  # beyond a command's own limit, before the shell itself counts as dead
_LONGEST = 1 << 30  # bytes of one part of an answer


@dataclass(frozen=True)
class ShellLimits:
    """What the commands of one shell may use."""

    cpu_seconds: int = 600
    """Processor time of each process, in seconds."""
    memory_mb: int = 2048
    """Address space of each process, in MiB."""
    folder_mb: int = 128
    """Size of the private folder, in MiB."""
    processes: int = 128
    """Processes and threads at one time."""
    open_files: int = 256
    """Open descriptors of each process."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Its exit status; 128 plus the signal's number if a signal ended it, 127 if there is no such command."""
    stdout: bytes
    """What it printed, up to the limit to keep."""
    stderr: bytes
    """The same for its standard error."""
    late: bool = False
    """It was ended at its time limit."""
    cut: bool = False
    """It printed more than the limit to keep."""


class Shell:
    """One isolated folder with commands run in it; a context manager, and safe to share between threads."""

    def __init__(self, limits: ShellLimits = ShellLimits()) -> None:
        """Raises SandboxError if the host does not offer full isolation."""
        if sys.platform != "linux":
            raise SandboxError(f"commands are isolated by Linux's own means and this is {sys.platform}: use docker")
        binaries = str(Path(sys.executable).resolve().parent)
        self._scratch = Scratch()
        self._lock = threading.Lock()
        settings: dict[str, object] = {
            "memory_mb": limits.memory_mb,
            "cpu_seconds": limits.cpu_seconds,
            "file_mb": limits.folder_mb,
            "longest_mb": limits.folder_mb,
            "processes": limits.processes,
            "open_files": limits.open_files,
            "scratch": self._scratch.path,
            "readable": tuple(dict.fromkeys([*_SYSTEM, binaries])),
            "without": frozenset(),
            "received_mb": 0,
            "runs_files": True,
        }
        path = f"{binaries}:/usr/local/bin:/usr/bin:/bin"
        self._process = spawn(_BOOT, (settings, (path,)))
        try:
            kind, whole, hello, _ = self._receive(_START_SECONDS)
            said = codec.decode(hello)
            assert isinstance(said, tuple)  # sent before any command ran
            force, missing = said
            if kind != shell_worker.DONE or not whole or "mount" not in force:
                reasons = "; ".join([f"{name}: {reason}" for name, reason in missing.items()])
                raise SandboxError(f"this host does not isolate commands ({reasons}): use docker, or a host that does")
        except BaseException:
            self.close()
            raise
        self.in_force: tuple[str, ...] = tuple(force)

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def run(
        self,
        words: Sequence[str],
        *,
        given: bytes = b"",
        folder: str = ".",
        env: Mapping[str, str] | None = None,
        seconds: float | None = None,
        keep: int = 10 << 20,
    ) -> Ended:
        """Runs a command with `given` on its standard input and waits for it, at most `seconds`.

        `folder` is relative to the shell's own. At most `keep` bytes of each stream are returned. Raises OSError if the command
        may not be run or `folder` is not a folder, SandboxError if the shell itself has gone.
        """
        request = ("run", list(words), given, folder, dict(env or {}), seconds, keep)
        kind, number, first, second = self._ask(request, None if seconds is None else seconds + _GRACE_SECONDS)
        if kind == shell_worker.FAILED:
            if number in (errno.ENOENT, errno.ENOTDIR):
                return Ended(127, b"", f"{words[0]}: cannot be found from {folder}\n".encode())
            raise OSError(number, first.decode("utf-8", "replace"), words[0])
        return Ended(number, first, second, kind == shell_worker.LATE, kind == shell_worker.LONG)

    def read(self, path: str, most: int = 100 << 20) -> bytes | None:
        """The content of a file; None if it has more than `most` bytes. Raises OSError."""
        kind, number, first, _ = self._ask(("read", path, most), _START_SECONDS)
        if kind == shell_worker.FAILED:
            raise OSError(number, first.decode("utf-8", "replace"), path)
        return None if kind == shell_worker.LONG else first

    def write(self, path: str, content: bytes) -> None:
        """Writes a file and creates the folders above it. Raises OSError."""
        kind, number, first, _ = self._ask(("write", path, content), _START_SECONDS)
        if kind == shell_worker.FAILED:
            raise OSError(number, first.decode("utf-8", "replace"), path)

    def close(self) -> None:
        """Ends the shell and everything that runs in it, and removes its folder."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError, ValueError):
                assert stream is not None
                stream.close()
        self._scratch.close()

    def _ask(self, request: tuple[object, ...], seconds: float | None) -> tuple[bytes, int, bytes, bytes]:
        with self._lock:
            frame = marshal.dumps(request)  # type: ignore[arg-type]  # mypy knows marshal's types, not that ours are among them
            stream = self._process.stdin
            assert stream is not None
            try:
                stream.write(len(frame).to_bytes(8, "little") + frame)
                stream.flush()
            except (OSError, ValueError):
                raise SandboxError("the shell has been closed or has ended: start another") from None
            return self._receive(seconds)

    def _receive(self, seconds: float | None) -> tuple[bytes, int, bytes, bytes]:
        deadline = None if seconds is None else time.monotonic() + seconds
        kind, number, first, second = shell_worker.HEAD.unpack(self._exactly(shell_worker.HEAD.size, deadline))
        if max(first, second) > _LONGEST:
            self.close()
            raise SandboxError("the shell sent what no shell sends: start another")
        return kind, number, self._exactly(first, deadline), self._exactly(second, deadline)

    def _exactly(self, count: int, deadline: float | None) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        found = bytearray()
        while len(found) < count:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            part = b""
            with contextlib.suppress(OSError, ValueError):  # closed by another thread
                if select.select([stream.fileno()], [], [], left)[0]:
                    part = os.read(stream.fileno(), min(count - len(found), 1 << 20))
            if not part:
                said = self._last_words()
                self.close()
                raise SandboxError(f"the shell has ended{f' ({said})' if said else ''}: start another")
            found += part
        return bytes(found)

    def _last_words(self) -> str:
        stream = self._process.stderr
        assert stream is not None
        with contextlib.suppress(OSError, ValueError):
            if select.select([stream.fileno()], [], [], 0.2)[0]:
                lines = os.read(stream.fileno(), 4096).decode("utf-8", "replace").strip().splitlines()
                return lines[-1] if lines else ""
        return ""
