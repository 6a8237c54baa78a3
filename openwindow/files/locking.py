"""One writer per folder: a lock that ends with the process that holds it.

    with Lock(Path("runs/mine")):      # ConfigError, which names the holder, while another process writes there
        ...

It is an flock on FOLDER/.lock, in which host, process and command of the holder stand for others to read. The kernel lets go of it
when the holder dies, however it dies, so what a killed run left is free. Two writers that share a folder, one per arm and seed,
would each hold the lock of their unit's folder and share that of the run's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import sys
import weakref
from pathlib import Path
from types import TracebackType

from openwindow.errors import ConfigError, StorageError

NAME = ".lock"
_MOST = 4096  # bytes of what a holder says of itself that are read


class Lock:
    """Holds a folder, which is made if need be, until `release`, the end of the block, or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError where somebody else holds it, StorageError where no lock can be had."""
        try:
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = _take(folder)
        except OSError as error:
            raise StorageError(
                f"cannot lock {folder} ({error.strerror or error}); expected a writable folder with free space on a file system "
                "with locks, since two runs in one folder would destroy each other's work; make room or choose another --out"
            ) from error
        self._end = weakref.finalize(self, _let_go, descriptor, folder, made, os.getpid())

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Lets go; folders that were made for it and are still empty go too. Does nothing the second time."""
        self._end()


def _take(folder: Path) -> int:
    """The descriptor of the locked file. Raises ConfigError, OSError."""
    path = folder / NAME
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(descriptor, path):  # else its holder has removed it in the meantime, and it locks nothing
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _own().encode("utf-8", "replace"), 0)
                return descriptor
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise ConfigError(
                f"{folder} is being written by {holder}; expected one run at a time in a folder; wait until it has ended, or "
                "choose another --out"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _let_go(descriptor: int, folder: Path, made: list[Path], process: int) -> None:
    """Removes and unlocks the file, in the process that has locked it alone: one that was forked from it has the descriptor too."""
    with contextlib.suppress(OSError):
        if os.getpid() == process and _is(descriptor, folder / NAME):
            (folder / NAME).unlink()
    os.close(descriptor)
    with contextlib.suppress(OSError):
        for path in made if os.getpid() == process else ():
            path.rmdir()


def _is(descriptor: int, path: Path) -> bool:
    """Whether the open file is what lies at the path."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _own() -> str:
    return json.dumps({"host": platform.node(), "pid": os.getpid(), "command": " ".join(sys.argv)[:1000]})


def _holder(descriptor: int) -> str:
    """Who holds the open lock file, in words."""
    try:
        said = json.loads(os.pread(descriptor, _MOST, 0))
        pid, host, command = int(said["pid"]), str(said["host"]), " ".join(str(said["command"]).split())
        return f"process {pid} on {host} ({command[:80]})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
