"""The worker processes behind a sandbox, and the loop that keeps them busy.

Covered: workers that die, hang or send nonsense are replaced, and the program that was running gets a second try in a new one; if
that fails too, the program is to blame. A worker counts as silent only while we listen: the time we spend on another worker's
reply does not count. Processor time decides: a program that ran out of wall time before it had used its processor time is tried
once more at the end, alone, because it may not have got it next to others. Not covered: isolation itself, which the worker
applies (`isolation.py`), and what runs outside this sandbox, which takes its share of the processor as well.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from openwindow.errors import SandboxError
from openwindow.sandbox import codec, jobs, wire
from openwindow.sandbox.jobs import Job, Limits, Outcome, Status
from openwindow.sandbox.worker_folders import Scratch

_REPLY = struct.Struct(f"<4s{wire.REPLY_NUMBERS}Q")
_JOB_BYTES = 32 << 20
_START_SECONDS = 120.0
_GRACE_SECONDS = 5.0  # beyond a program's own limit, before the worker itself counts as dead
_LISTEN_SECONDS = 1.0  # at a time
_AHEAD = 7  # jobs that a worker holds besides the one it runs
_HERE = Path(__file__).parent
_STUBS = """
import marshal, sys, types
stubs, (settings, more) = marshal.loads(bytes.fromhex(sys.argv[1]))
for name, path in stubs:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
"""
_BOOT = "from openwindow.sandbox import isolation, launch\nlaunch.main(isolation.Settings(**settings), *more)\n"


def spawn(boot: str, given: tuple[dict[str, object], tuple[object, ...]]) -> subprocess.Popen[bytes]:
    """A clean interpreter that runs `boot`, with the given values as `settings` and `more`, and pipes for all its streams.

    It starts the interpreter itself, not a virtual environment's link to it, which would need the environment's files. No -I: that
    would remove the fixed hash seed, and with it the order of a program's sets.
    """
    stubs = (("openwindow", str(_HERE.parent)), ("openwindow.sandbox", str(_HERE)))
    command = [str(Path(sys.executable).resolve()), "-s", "-S", "-P", "-B", "-c", _STUBS + boot]
    return subprocess.Popen(
        [*command, marshal.dumps((stubs, given)).hex()],  # type: ignore[arg-type]  # mypy knows marshal's types, not that ours are
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        # Bound now, so that the libraries are not bound again in every program's process.
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "LD_BIND_NOW": "1"},
        start_new_session=True,
    )


class Worker:
    """One worker process, and the bytes on their way to and from it."""

    def __init__(self, limits: Limits, readable: tuple[Path, ...], without: frozenset[str]) -> None:
        self.limits = limits
        self.readable = readable
        self.without = without
        self.process: subprocess.Popen[bytes] | None = None
        self.scratch: Scratch | None = None
        self.force: list[str] = []
        self.missing: dict[str, str] = {}
        self.to_send = bytearray()
        self.received = bytearray()
        self.pending: deque[int] = deque()
        self.started = 0.0
        self.heard = 0.0
        """When its first pending job began or it last sent something, on the batch's own clock."""

    def start(self) -> None:
        """Starts the process; `greet` waits until it is ready."""
        self.scratch = Scratch()
        limits = self.limits
        settings: dict[str, object] = {
            "memory_mb": limits.memory_mb,
            "cpu_seconds": limits.cpu_seconds,
            "file_mb": limits.file_mb,
            "longest_mb": max(limits.file_mb, -(-max(limits.output_kb, limits.result_kb) // 1024)),
            "received_mb": _JOB_BYTES >> 20,
            "processes": limits.processes,
            "open_files": limits.open_files,
            "scratch": self.scratch.path,
            "readable": tuple([str(p.resolve()) for p in self.readable]),
            "without": self.without,
        }
        sizes = (limits.wall_seconds, limits.output_kb << 10, limits.result_kb << 10)
        self.process = spawn(_BOOT, (settings, sizes))
        self.started = time.monotonic()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)

    def greet(self) -> None:
        """Waits for the worker's first message; SandboxError with its last output if none comes."""
        while len(self.received) < 4 or len(self.received) < 4 + self._word():
            left = self.started + _START_SECONDS - time.monotonic()
            spoke = bool(select.select([self.reader()], [], [], max(0.0, left))[0])
            if not spoke or not self.read():
                silent = (
                    "its process ended without a message"
                    if spoke
                    else f"nothing arrived for {_START_SECONDS:g} s; is the machine busy?"
                )
                said = self.stop().strip().splitlines()
                raise SandboxError(f"a worker did not start: {said[-1] if said else silent}")
        end = 4 + self._word()
        hello = codec.decode(bytes(self.received[4:end]))
        assert isinstance(hello, tuple)  # sent before any program ran
        self.force, self.missing = hello
        del self.received[:end]
        if "mount" in self.force:
            self._remove_scratch()

    def _remove_scratch(self) -> None:
        if self.scratch is not None:
            self.scratch.close()
        self.scratch = None

    def _word(self) -> int:
        return int(struct.unpack_from("<I", self.received)[0])

    def reader(self) -> int:
        """The descriptor that replies come from."""
        assert self.process is not None and self.process.stdout is not None
        return self.process.stdout.fileno()

    def writer(self) -> int:
        """The descriptor that jobs go to."""
        assert self.process is not None and self.process.stdin is not None
        return self.process.stdin.fileno()

    def read(self) -> bool:
        """Reads what has arrived; False at the end."""
        try:
            part = os.read(self.reader(), 1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.received += part
        return bool(part)

    def write(self) -> None:
        """Sends what fits. If nobody listens any more, the reading side notices the end."""
        try:
            while self.to_send:
                with memoryview(self.to_send) as view:
                    sent = os.write(self.writer(), view[: 1 << 20])
                del self.to_send[:sent]
        except BlockingIOError:
            return
        except OSError:
            self.to_send.clear()

    def stop(self) -> str:
        """Kills the process and everything below it; returns what it wrote to standard error."""
        process, self.process = self.process, None
        said = ""
        if process is not None:
            assert process.stdin is not None and process.stdout is not None and process.stderr is not None
            os.killpg(process.pid, signal.SIGKILL)  # launcher and worker; the worker's pid namespace dies with it
            process.wait()
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline and select.select([process.stdout], [], [], 0.1)[0]:
                if not os.read(process.stdout.fileno(), 1 << 16):
                    break  # the worker has gone too
            if select.select([process.stderr], [], [], 0.0)[0]:
                said = os.read(process.stderr.fileno(), 4096).decode("utf-8", "replace")
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
        self.received.clear()
        self.to_send.clear()
        self._remove_scratch()
        return said


class Batch:
    """One list of jobs on its way through the workers."""

    def __init__(self, workers: Sequence[Worker], limits: Limits, given: Sequence[Job]) -> None:
        self.workers = workers
        self.limits = limits
        self.jobs = given
        self.waiting = deque(range(len(given)))
        self.done: dict[int, Outcome] = {}
        self.blamed: set[int] = set()
        self.starved: set[int] = set()
        self.alone: deque[int] = deque()
        self.clock = 0.0
        """Total seconds that we have listened to the workers."""
        self.fault: str | None = None

    def outcomes(self) -> list[Outcome]:
        """Runs all jobs and returns their outcomes."""
        while len(self.done) < len(self.jobs):
            if self.fault is not None:
                return [self.done.get(i) or jobs.lost(j, Status.FAULT, self.fault) for i, j in enumerate(self.jobs)]
            if self.alone and not self.waiting and not any(worker.pending for worker in self.workers):
                self.waiting.append(self.alone.popleft())
            for worker in self.workers:
                self.assign(worker)
            self.step()
        return [self.done[i] for i in range(len(self.jobs))]

    def assign(self, worker: Worker) -> None:
        """Hands the worker jobs until it holds enough: several, so that it never waits for us, and fewer near the end."""
        if worker.process is None:
            self.restart(worker)
        enough = 1 + min(_AHEAD, len(self.waiting) // (2 * len(self.workers)))
        while self.waiting and len(worker.pending) < enough and self.fault is None:
            index = self.waiting.popleft()
            frame = jobs.pack(self.jobs[index])
            if len(frame) > _JOB_BYTES:
                detail = f"the job has {len(frame)} bytes, more than the limit of {_JOB_BYTES}"
                self.done[index] = jobs.lost(self.jobs[index], Status.REFUSED, detail)
                continue
            if not worker.pending:
                worker.heard = self.clock
            worker.pending.append(index)
            worker.to_send += struct.pack("<I", len(frame)) + frame
        worker.write()

    def step(self) -> None:
        """Waits until a worker has sent something, wants something, or is late."""
        busy = [w for w in self.workers if w.pending]
        if not busy:
            return
        poll = select.poll()
        for worker in busy:
            poll.register(worker.reader(), select.POLLIN)
            if worker.to_send:
                poll.register(worker.writer(), select.POLLOUT)
        allowed = self.limits.wall_seconds + _GRACE_SECONDS
        patience = min(_LISTEN_SECONDS, max(0.0, min(w.heard for w in busy) + allowed - self.clock))
        start = time.monotonic()
        ready = {fd for fd, _ in poll.poll(patience * 1000)}
        self.clock += min(patience, time.monotonic() - start)  # if we are suspended meanwhile, so are the workers
        for worker in busy:
            if worker.reader() in ready and not worker.read():
                self.lose(worker, "it died")
                continue
            self.collect(worker)
            if worker.pending and self.clock >= worker.heard + allowed:
                self.lose(worker, "it stopped answering")

    def collect(self, worker: Worker) -> None:
        """Turns every complete reply that has arrived into an outcome."""
        while len(worker.received) >= _REPLY.size:
            magic, how, spent, code, elapsed, used, printed, out, result = _REPLY.unpack_from(worker.received)
            bounded = out <= self.limits.output_kb << 10 and result <= self.limits.result_kb << 10
            if magic != wire.MAGIC or not bounded or not worker.pending:
                self.lose(worker, "it sent what no worker sends")
                return
            start, end = _REPLY.size, _REPLY.size + out + result
            if len(worker.received) < end:
                return
            if how == wire.EXITED and code == wire.UNREADY and worker.pending[0] not in self.blamed:
                self.lose(worker, "it could not set a program up")  # or the program says so: the second time it is believed
                return
            index = worker.pending.popleft()
            worker.heard = self.clock
            text, answers = bytes(worker.received[start : start + out]), bytes(worker.received[start + out : end])
            del worker.received[:end]
            if how == wire.TIMED_OUT and used < self.limits.cpu_seconds * 1e6 and index not in self.starved:
                self.starved.add(index)
                self.alone.append(index)
            else:
                ended = jobs.Ended(how, code, elapsed / 1e6, printed, text, answers)
                self.done[index] = jobs.read(self.jobs[index], ended, self.limits)
            if spent:
                self.retire(worker)
                return

    def lose(self, worker: Worker, what: str) -> None:
        """Replaces a worker; the program that was running is tried once more, after that it is to blame."""
        index = worker.pending[0] if worker.pending else None
        if index is not None and index in self.blamed:
            worker.pending.popleft()
            detail = f"took its worker down twice: {what}"
            self.done[index] = jobs.lost(self.jobs[index], Status.KILLED, detail)
        elif index is not None:
            self.blamed.add(index)
        self.retire(worker)

    def retire(self, worker: Worker) -> None:
        """Ends a worker; the jobs that it holds go to others."""
        worker.stop()
        self.waiting.extendleft(reversed(worker.pending))
        worker.pending.clear()

    def restart(self, worker: Worker) -> None:
        """Restarts the worker; if it cannot be started, that is a fault that ends the batch."""
        try:
            worker.start()
            worker.greet()
        except (SandboxError, OSError) as error:
            self.fault = str(error)
