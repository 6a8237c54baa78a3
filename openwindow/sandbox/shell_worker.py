"""The inside of a shell: the first process of an isolated tree, which runs commands and handles files on request.

It reads requests from one pipe and answers on another; no command ever holds either. A command runs in a process of its
own, and whatever it leaves running lives until the shell is closed. Files are opened here, behind the isolation, so that no link
made by a command leads anywhere else, and never in a way that waits (a named pipe, a device).
"""

# ruff: noqa: PTH103, PTH120
# No pathlib: see isolation.py.

from __future__ import annotations

import errno
import marshal
import os
import resource
import signal
import stat
import struct
from typing import NoReturn

from openwindow.sandbox import isolation, wire

HEAD = struct.Struct("<cqQQ")  # kind, number, and the lengths of the two parts that follow
ENDED, LATE, FAILED, LONG, CONTENT, DONE = b"X", b"T", b"E", b"L", b"C", b"D"
CONTROL_IN, CONTROL_OUT = 10, 11
_PLAIN = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

Reply = tuple[bytes, int, bytes, bytes]


def main(settings: isolation.Settings, path: str) -> None:
    """Isolates itself, reports what is in force, and serves until the pipe closes; `path` is where commands are looked up."""
    measures = isolation.enter(settings, os.path.realpath("/proc/self/exe"))
    os.dup2(0, CONTROL_IN, inheritable=False)
    os.dup2(1, CONTROL_OUT, inheritable=False)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    _send((DONE, int(measures.shared()), wire.encode((measures.force, measures.missing)), b""))
    home = measures.folder
    environ = {"PATH": path, "HOME": home, "PWD": home, "TMPDIR": home, "LANG": "C.UTF-8", "TERM": "dumb"}
    while (size := wire.read(CONTROL_IN, 8)) and (frame := wire.read(CONTROL_IN, int.from_bytes(size, "little"))):
        _send(_answer(marshal.loads(frame), environ, settings.cpu_seconds))
        _collect_dead()


def _answer(request: tuple[object, ...], environ: dict[str, str], cpu_seconds: int) -> Reply:
    try:
        match request:
            case ("run", list(words), bytes(given), str(folder), dict(env), seconds, int(keep)):
                limit = seconds if isinstance(seconds, int | float) else None
                return _run([str(w) for w in words], given, folder, {**environ, **env}, limit, keep, cpu_seconds)
            case ("read", str(path), int(most)):
                return _read(path, most)
            case ("write", str(path), bytes(content)):
                return _write(path, content)
    except OSError as error:
        return FAILED, error.errno or errno.EIO, os.strerror(error.errno or errno.EIO).encode(), b""
    except (ValueError, MemoryError) as error:  # a null character in a name, more than fits
        return FAILED, errno.EINVAL, str(error).encode("utf-8", "replace"), b""
    return FAILED, errno.EINVAL, b"not a request", b""


def _read(path: str, most: int) -> Reply:
    fd = os.open(path, os.O_RDONLY | _PLAIN)
    try:
        _check_regular(fd)
        parts, left = [], most + 1
        while left and (part := os.read(fd, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(fd)
    return (CONTENT, 0, b"".join(parts), b"") if left else (LONG, most, b"", b"")


def _write(path: str, content: bytes) -> Reply:
    if above := os.path.dirname(path):
        os.makedirs(above, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | _PLAIN, 0o644)
    try:
        _check_regular(fd)
        os.ftruncate(fd, 0)
        wire.write(fd, content)
    finally:
        os.close(fd)
    return DONE, 0, b"", b""


def _check_regular(fd: int) -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _run(
    words: list[str], given: bytes, folder: str, environ: dict[str, str], seconds: float | None, keep: int, cpu_seconds: int
) -> Reply:
    """Runs a command to its end or the limit, in seconds; at most `keep` bytes of each stream are passed on."""
    source, out, err = (os.memfd_create(name) for name in ("in", "out", "err"))
    broken, breaks = os.pipe()
    try:
        wire.write(source, given)
        os.lseek(source, 0, os.SEEK_SET)
        pid = os.fork()
        if pid == 0:
            _become(words, folder, environ, (source, out, err), breaks, cpu_seconds)
        os.close(breaks)
        breaks = -1
        ended = wire.wait(pid, seconds)
        if not ended:
            _kill_group(pid)
        status = os.waitpid(pid, 0)[1]
        if number := os.read(broken, 4):
            code = int.from_bytes(number, "little")
            return FAILED, code, os.strerror(code).encode(), b"run"
        if not ended:
            return LATE, 0, os.pread(out, keep, 0), os.pread(err, keep, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        kind = LONG if max(os.fstat(out).st_size, os.fstat(err).st_size) > keep else ENDED
        return kind, code, os.pread(out, keep, 0), os.pread(err, keep, 0)
    finally:
        for fd in (source, out, err, broken, breaks):
            if fd >= 0:
                os.close(fd)


def _become(
    words: list[str], folder: str, environ: dict[str, str], streams: tuple[int, int, int], breaks: int, cpu_seconds: int
) -> NoReturn:
    """The life of a command's process until its program starts."""
    try:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and so would what it starts
            signal.signal(number, signal.SIG_DFL)
        for fd, stream in enumerate(streams):
            os.dup2(stream, fd)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        os.chdir(folder)
        os.execvpe(words[0], words, environ)
    except OSError as error:
        os.write(breaks, (error.errno or errno.EIO).to_bytes(4, "little"))
    except ValueError:  # a null character
        os.write(breaks, errno.EINVAL.to_bytes(4, "little"))
    finally:
        os._exit(127)


def _kill_group(pid: int) -> None:
    for target in (os.killpg, os.kill):  # it may not have become the leader of its group
        try:
            target(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _collect_dead() -> None:
    """Reaps processes that commands left behind and that have ended."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def _send(reply: Reply) -> None:
    kind, number, first, second = reply
    for part in (HEAD.pack(kind, number, len(first), len(second)), first, second):
        wire.write(CONTROL_OUT, part)
