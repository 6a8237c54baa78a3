"""The worker: a small warm interpreter that forks one child per program and says how each ended.

It runs in its own process, started by `sandbox.Sandbox` with a clean interpreter, and talks to it over two pipes that no
program ever holds. The worker itself executes nothing of a program: it forks, waits, kills what is left, and passes on bytes.
Everything a program could have touched (its process, its descendants, its folder, its two output files) is gone before the
next one starts.

The functions from `_run_child` on run inside the program's process. Nothing they say is trusted: a program can rewrite them.
Not covered: what a program learns from the clock, and from the numbers of its processes (they count up over a worker's life).
"""

from __future__ import annotations

import atexit
import builtins
import gc
import json
import marshal
import os
import select
import signal
import struct
import sys
import time
import types
from _sitebuiltins import Quitter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from openwindow.envs import codec, isolation

RESULT, CONTROL_IN, CONTROL_OUT, NULL, RULESET = 3, 10, 11, 12, 13
NAME = "submission.py"


def main(wall: float, keep_out: int, keep_result: int, settings: isolation.Settings) -> None:
    """Isolates this process, says hello with what is in force, and serves until the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # the first process of a pid namespace is deaf to these, if unhandled
    measures = isolation.enter(settings)
    for source, target in ((0, CONTROL_IN), (1, CONTROL_OUT), (os.open("/dev/null", os.O_RDWR), NULL)):
        os.dup2(source, target, inheritable=False)
    if measures.landlock >= 0:
        measures.landlock = os.dup2(measures.landlock, RULESET, inheritable=False)
    for fd in (0, 1, 2):
        os.dup2(NULL, fd)
    os.closerange(RESULT, CONTROL_IN)
    os.closerange(RULESET + 1, 64)
    for name in ("exit", "quit"):  # what the module `site`, which is not loaded here, gives every ordinary interpreter
        builtins.__dict__[name] = Quitter(name, "Ctrl-D (i.e. EOF)")
    for name in [n for n in sys.modules if n.partition(".")[0] == "openwindow"]:
        del sys.modules[name]
    sys.path.extend(settings.readable)
    gc.collect()
    gc.freeze()  # keeps the collector of a child from touching, and so copying, every page of ours
    _send(json.dumps({"force": measures.force, "missing": measures.missing}).encode())
    worker = _Worker(measures, wall, keep_out, keep_result)
    while (frame := _receive()) is not None:
        _write(CONTROL_OUT, worker.run(frame))


class _Worker:
    """Runs one program at a time."""

    def __init__(self, measures: isolation.Measures, wall: float, keep_out: int, keep_result: int) -> None:
        self.measures = measures
        self.wall = wall
        self.keep_out = keep_out
        self.keep_result = keep_result

    def run(self, frame: bytes) -> bytes:
        """Forks a child for the program in the frame, waits for its end or the limit, and packs the reply."""
        if self.measures.has("renew"):
            isolation.fresh_tmp(self.measures.settings.file_mb, os.geteuid())
            os.chdir(isolation.TMP)
        out, result = os.memfd_create("out"), os.memfd_create("result")
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _run_child(frame, self.measures, out, result)
        timed_out = not _wait(pid, self.wall)
        status = self._end(pid)
        seconds = time.monotonic() - started
        if not self.measures.has("renew"):
            _empty(self.measures.folder)
        how = codec.SIGNALLED if os.WIFSIGNALED(status) else codec.EXITED
        how = codec.TIMED_OUT if timed_out else how
        code = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        printed = os.fstat(out).st_size
        text, answer = os.pread(out, self.keep_out, 0), os.pread(result, self.keep_result, 0)
        os.close(out)
        os.close(result)
        head = codec.REPLY.pack(codec.MAGIC, how, code, seconds, min(printed, 1 << 31), len(text), len(answer))
        return head + text + answer

    def _end(self, pid: int) -> int:
        """Kills whatever is left of the program, and gives the status with which its first process ended.

        As first process of a pid namespace one call is enough: the kernel signals every other process in it while no
        fork can complete. Elsewhere the filter has kept the program to one process; where there is no filter either,
        descendants come back to us as their subreaper and are killed until none is left.
        """
        if os.getpid() == 1:
            _signal(-1)
        else:
            _signal(pid)
        status = -1
        deadline = time.monotonic() + 2
        while True:
            try:
                ended, code = os.waitpid(-1, 0 if os.getpid() == 1 else os.WNOHANG)
            except ChildProcessError:
                return status
            if ended == pid:
                status = code
            if ended == 0:
                for left in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                    _signal(int(left))
                time.sleep(0.001)
                if time.monotonic() > deadline:
                    os._exit(70)  # cannot be cleaned up: the supervisor starts another worker


def _wait(pid: int, seconds: float) -> bool:
    """Whether the process ended in time."""
    fd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(fd)


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _empty(folder: str) -> None:
    """Removes all that a program left where no fresh folder can be mounted; gives up the worker if that fails."""
    try:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                _empty(entry.path)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)
        os.chmod(folder, 0o700)
        os.utime(folder, (0, 0))
    except (OSError, RecursionError):
        os._exit(71)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _send(body: bytes) -> None:
    _write(CONTROL_OUT, struct.pack("<I", len(body)) + body)


def _receive() -> bytes | None:
    """The next job, or None when the supervisor has gone."""
    head = _exactly(4)
    return None if head is None else _exactly(struct.unpack("<I", head)[0])


def _exactly(count: int) -> bytes | None:
    parts: list[bytes] = []
    while count:
        part = os.read(CONTROL_IN, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _run_child(frame: bytes, measures: isolation.Measures, out: int, result: int) -> NoReturn:
    """The life of one program's process."""
    leave = os._exit  # taken before the program can replace it
    try:
        os.setsid()
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.dup2(result, RESULT)
        isolation.confine(measures)
        os.closerange(RESULT + 1, 64)
        source, entry_point, inputs = marshal.loads(frame)
        path = f"{measures.folder}/{NAME}"
        del frame, measures
    except BaseException as error:
        os.write(2, f"the program's process could not be set up: {error}".encode())
        leave(97)
    try:
        sys.argv[:] = [path]
        _save(path, source)
        if entry_point is None:
            _script(source, path, leave)
        else:
            _calls(source, path, entry_point, inputs)
            leave(0)
    finally:
        leave(1)


def _save(path: str, source: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(source)
    except OSError:
        pass  # longer than the folder holds; the program runs all the same


def _module(name: str, path: str) -> dict[str, object]:
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    return module.__dict__


def _script(source: str, path: str, leave: Callable[[int], NoReturn]) -> NoReturn:
    """What `python submission.py` does, up to and including how it comes by its exit status."""
    code = 0
    try:
        exec(compile(source, path, "exec", dont_inherit=True), _module("__main__", path))
    except SystemExit as request:
        code = _exit_code(request.code)
    except BaseException as error:
        code = 1
        trace = error.__traceback__
        sys.excepthook(type(error), error, trace.tb_next if trace is not None else None)
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
    """Defines, calls, and sends each answer as soon as it is there."""
    try:
        names = _module("submission", path)
        exec(compile(source, path, "exec", dont_inherit=True), names)
        function = names[entry_point]
    except SystemExit as request:
        os._exit(_exit_code(request.code))
    except BaseException as error:
        _answer(codec.FAILED, _words(error))
        return
    _answer(codec.DEFINED, b"")
    for packed in inputs:
        try:
            value = codec.encode(function(*marshal.loads(packed)))  # type: ignore[operator]
        except BaseException as error:
            _answer(codec.RAISED, _words(error))
        else:
            _answer(codec.VALUE, value)


def _answer(kind: bytes, body: bytes) -> None:
    _write(RESULT, codec.ANSWER.pack(kind, len(body)) + body)


def _words(error: BaseException) -> bytes:
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # written by the program, so it may do anything
        text = "(its text cannot be had)"
    prefix = "" if isinstance(error, codec.WireError) else f"{name}: " if text else name
    return f"{prefix}{text}"[:300].encode("utf-8", "backslashreplace")
