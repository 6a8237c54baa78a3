"""The worker: a small warm interpreter that forks one child per program and reports how each ended.

It runs in its own process, started by `sandbox.Sandbox` with a clean interpreter, and talks to it over two pipes that
no program ever holds. The worker itself executes nothing of a program: it forks, waits, kills what is left, and
passes on bytes. Everything a program could have touched (its process, its descendants, its folder, its two output
files) is gone before the next one starts.

Every program starts with a copy of the worker's memory, and freed memory is not cleared. So nothing from a job or from what a
program leaves may enter that memory, not even for a moment: a job goes from the pipe to a file that only its program reads, what a
program printed and returned goes from its files to the pipe, and the names of the files that it left are read in a process of
their own.

The functions from `_run_child` on run inside the program's process. Nothing they say is trusted: a program can
rewrite them. Not covered: what a program learns from the clock, and from what counts up over a worker's life (the numbers of
processes and of files).
"""

# ruff: noqa: PTH101, PTH108, PTH116
# No pathlib: see isolation.py.

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import marshal
import os
import resource
import signal
import sys
import time
import types
from _sitebuiltins import Quitter
from collections.abc import Callable
from typing import NoReturn

from openwindow.sandbox import empty_folder, wire

RESULT, CONTROL_IN, CONTROL_OUT = 3, 10, 11
NAME = "submission.py"
_COMMON = ("collections", "functools", "itertools", "math", "re", "typing")
_SAMPLE = """
class Sample:
    def __init__(self, *parts, **named):
        self.parts = [p + 1 for p in parts if p] or {"none": named}
def sample(x, y=2):
    for i in range(3):
        if x == i and not y:
            return f"{i}"
    try:
        return {"sum": x / y, "all": sorted((x, y), key=lambda v: -v)}
    except ZeroDivisionError as error:
        raise ValueError("none") from error
assert sample(Sample(1).parts[0]), Sample(a=1)
"""


def main(
    limits: tuple[float, int, int, int, int],
    working_folder: str,
    readable: tuple[str, ...],
    hello: bytes,
    confine: Callable[[], None] | None = None,
) -> None:
    """Says hello and serves until the pipe closes.

    `limits` are the wall time and the processor time in seconds, the bytes kept of printed and of returned output, and the bytes
    of any one file. `confine` is what each program's process must still do to itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # the first process of a pid namespace ignores these, if unhandled
    os.dup2(0, CONTROL_IN, inheritable=False)
    os.dup2(1, CONTROL_OUT, inheritable=False)
    for fd, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        null = os.open("/dev/null", mode)
        os.dup2(null, fd)
        os.close(null)
    for name in ("exit", "quit"):  # what the module `site`, which is not loaded here, gives every ordinary interpreter
        builtins.__dict__[name] = Quitter(name, "Ctrl-D (i.e. EOF)")
    for name in [n for n in sys.modules if n.partition(".")[0] == "openwindow"]:
        del sys.modules[name]
    sys.path.extend(readable)
    os.environ.pop("LD_BIND_NOW", None)
    os.environ.update(HOME=working_folder, TMPDIR=working_folder)
    _warm_up()
    gc.collect()
    gc.freeze()  # keeps a child's garbage collector from touching, and so copying, every page of ours
    wire.write(CONTROL_OUT, len(hello).to_bytes(4, "little") + hello)
    worker = _Worker(limits, working_folder, confine)
    while (job := _receive()) is not None and worker.run(job):
        pass


def _warm_up() -> None:
    """Does once what every program's process would otherwise do itself: imports common modules, readies the compiler."""
    for common in _COMMON:
        __import__(common)
    names: dict[str, object] = {}
    for _ in range(3):
        exec(compile(_SAMPLE, NAME, "exec", dont_inherit=True), names)
    marshal.loads(marshal.dumps((_SAMPLE, None, [])))
    wire.encode([1, 1.5, "a", (True, None), {"k": {2}}])
    _words(ValueError("x"))


class _Worker:
    """Runs one program at a time."""

    def __init__(self, limits: tuple[float, int, int, int, int], path: str, confine: Callable[[], None] | None) -> None:
        self.wall, self.cpu, self.keep_out, self.keep_result, self.longest = limits
        self.folder = path
        self.confine = confine
        self.hollow = _size_when_empty(path) if confine is None else None

    def run(self, job: int) -> bool:
        """Forks a child for the program in the file `job`, waits for its end or the limit, and replies.

        Returns False if something of the program could not be removed, so that this worker must not start another.
        """
        out, result = os.memfd_create("out"), os.memfd_create("result")
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _run_child(job, self, out, result)
        os.close(job)
        timed_out = not wire.wait(pid, self.wall)
        status, used = self._end(pid)
        elapsed = time.monotonic() - started
        clean = status is not None and self._empty()
        how, code = wire.EXITED, 0
        if status is None or timed_out:
            how = wire.TIMED_OUT
        elif os.WIFSIGNALED(status):
            how, code = wire.SIGNALLED, os.WTERMSIG(status)
        else:
            code = os.WEXITSTATUS(status)
        printed, answered = os.fstat(out).st_size, os.fstat(result).st_size
        text, answer = min(printed, self.keep_out), min(answered, self.keep_result)
        times = int(elapsed * 1e6), int(used * 1e6)
        wire.write(CONTROL_OUT, wire.reply(how, not clean, code, *times, printed, text, answer))
        _pass_on(out, text)
        _pass_on(result, answer)
        return clean

    def _empty(self) -> bool:
        """Removes everything that the program left in its folder; returns whether that succeeded in time.

        Most leave only their own file. If there is more, another process reads the names: they would stay in our memory.
        """
        if self.hollow is not None:
            with contextlib.suppress(OSError):
                os.unlink(f"{self.folder}/{NAME}")
            if os.stat(self.folder).st_size == self.hollow:
                os.chmod(self.folder, 0o700)
                os.utime(self.folder, (0, 0))
                return True
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if empty_folder.empty(self.folder, 2.0) else 1)
            finally:
                os._exit(1)
        return os.waitpid(pid, 0)[1] == 0

    def _end(self, pid: int) -> tuple[int | None, float]:
        """Kills what is left of the program; returns the exit status of its first process and the processor time used, in seconds.

        The status is None if something cannot be killed.

        If it is the first process of a pid namespace, one call is enough: the kernel signals every other process in it while no
        fork can complete. Otherwise the filter has kept the program to one process; if there is no filter either,
        descendants are reparented to us as their subreaper and are killed until none is left.
        """
        if os.getpid() == 1:
            _signal(-1)
        else:
            _signal(pid)
        status: int | None = None
        used = 0.0
        deadline = time.monotonic() + 2
        while True:
            try:
                ended, code, usage = os.wait4(-1, 0 if os.getpid() == 1 else os.WNOHANG)
            except ChildProcessError:
                return status, used
            if ended:
                used += usage.ru_utime + usage.ru_stime
            if ended == pid:
                status = code
            if ended == 0:
                with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as children:
                    for left in children.read().split():
                        _signal(int(left))
                time.sleep(0.001)
                if time.monotonic() > deadline:
                    return None, used


def _pass_on(file: int, size: int) -> None:
    """Sends the beginning of a file to the supervisor, bypassing our own memory, and closes it."""
    at = 0
    while at < size and (sent := os.sendfile(CONTROL_OUT, file, at, size - at)):
        at += sent
    os.close(file)


def _size_when_empty(path: str) -> int | None:
    """The size of the folder, which is empty now, if that tells whether it holds anything (as on tmpfs); otherwise None."""
    empty = os.stat(path).st_size
    os.close(os.open(f"{path}/{NAME}", os.O_WRONLY | os.O_CREAT, 0o600))
    holding = os.stat(path).st_size
    os.unlink(f"{path}/{NAME}")
    return empty if empty < holding else None


def _signal(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _receive() -> int | None:
    """A file with the next job, or None if the supervisor has gone."""
    head = wire.read(CONTROL_IN, 4)
    if head is None:
        return None
    job, left = os.memfd_create("job"), int.from_bytes(head, "little")
    while left:
        moved = os.splice(CONTROL_IN, job, left)
        if not moved:
            return None
        left -= moved
    return job


def _run_child(job: int, worker: _Worker, out: int, result: int) -> NoReturn:
    """The life of one program's process."""
    leave = os._exit  # taken before the program can replace it
    try:
        frame = os.pread(job, os.fstat(job).st_size, 0)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)  # opened again: an open file has a state and locks that programs would share
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.dup2(result, RESULT)
        resource.setrlimit(resource.RLIMIT_CPU, (worker.cpu, worker.cpu + 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (worker.longest, worker.longest))
        if worker.confine is None:
            os.setsid()
        else:
            worker.confine()  # and it stays in the group, so that it is killed with its worker
        os.closerange(RESULT + 1, 64)
        source, entry_point, inputs = marshal.loads(frame)
        path = f"{worker.folder}/{NAME}"
        del frame, worker
    except BaseException as error:
        os.write(2, f"the program's process could not be set up: {error}".encode())
        leave(wire.UNREADY)
    try:
        sys.argv[:] = [path]
        _save(path, source)
        if entry_point is None:
            _script(source, path, leave)
        else:
            _calls(source, path, entry_point, inputs)
            sys.stdout.flush()
            leave(0)
    finally:
        leave(1)


def _save(path: str, source: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):  # longer than the folder allows; the program runs anyway
        os.write(fd, source.encode("utf-8", "surrogatepass"))
    os.close(fd)


def _module(name: str, path: str) -> dict[str, object]:
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    return module.__dict__


def _script(source: str, path: str, leave: Callable[[int], NoReturn]) -> NoReturn:
    """Does what `python submission.py` does, up to and including how it arrives at its exit status."""
    code = 0
    try:
        exec(compile(source, path, "exec", dont_inherit=True), _module("__main__", path))
    except SystemExit as request:
        code = _exit_code(request.code)
    except BaseException as error:
        code = 1
        trace = error.__traceback__
        BaseException.with_traceback(error, trace.tb_next if trace is not None else None)  # our own frame is left out
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        if "threading" in sys.modules:
            sys.modules["threading"].__dict__["_shutdown"]()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        leave(code)


def _exit_code(requested: object) -> int:
    if requested is None:
        return 0
    if isinstance(requested, int):
        return requested & 0xFF
    print(requested, file=sys.stderr)
    return 1


def _calls(source: str, path: str, entry_point: str, inputs: list[bytes]) -> None:
    """Defines the function, calls it, and sends each answer as soon as it is ready."""
    try:
        names = _module("submission", path)
        exec(compile(source, path, "exec", dont_inherit=True), names)
        if entry_point not in names:
            raise NameError(f"no function named {entry_point}")
        function = names[entry_point]
    except SystemExit as request:
        os._exit(_exit_code(request.code))
    except BaseException as error:
        _answer(wire.FAILED, _words(error))
        return
    _answer(wire.DEFINED, b"")
    for packed in inputs:
        try:
            value = wire.encode(function(*marshal.loads(packed)))  # type: ignore[operator]
        except BaseException as error:
            _answer(wire.RAISED, _words(error))
        else:
            _answer(wire.VALUE, value)


def _answer(kind: bytes, body: bytes) -> None:
    wire.write(RESULT, wire.answer(kind, body))


def _words(error: BaseException) -> bytes:
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # written by the program, so it may do anything
        text = "(its text is unavailable)"
    prefix = "" if isinstance(error, wire.WireError) else f"{name}: " if text else name
    return f"{prefix}{text}"[:300].encode("utf-8", "backslashreplace")
