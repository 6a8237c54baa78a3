"""One writer per folder: a lock that ends with the process that holds it.

    with Lock(Path("runs/mine")):      # ConfigError, which names the holder, while another process writes there
        ...

It is an flock on FOLDER/.lock, which records the host, process and command of the holder for others to read. The kernel releases
it when the holder dies, however it dies, so a killed run leaves its folder free. Two writers that share a folder, one per arm and
seed, would each hold the lock of their own subfolder and share that of the run.
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
_MOST = 4096  # maximum bytes read from what a holder says about itself


class Lock:
    """Holds a folder, creating it if necessary, until `release`, the end of the block, or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError if another process holds it, StorageError if locking is not possible."""
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
        """Releases the lock; folders that were created for it and are still empty are removed. A second call does nothing."""
        self._end()


def _take(folder: Path) -> int:
    """Returns the descriptor of the locked file. Raises ConfigError, OSError."""
    path = folder / NAME
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(descriptor, path):  # otherwise its holder has removed it meanwhile, and it locks nothing
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
    """Removes and unlocks the file, only in the process that locked it: forked processes have the descriptor too."""
    with contextlib.suppress(OSError):
        if os.getpid() == process and _is(descriptor, folder / NAME):
            (folder / NAME).unlink()
    os.close(descriptor)
    with contextlib.suppress(OSError):
        for path in made if os.getpid() == process else ():
            path.rmdir()


def _is(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at the path."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _own() -> str:
    return json.dumps({"host": platform.node(), "pid": os.getpid(), "command": " ".join(sys.argv)[:1000]})


def _holder(descriptor: int) -> str:
    """Describes who holds the open lock file."""
    try:
        said = json.loads(os.pread(descriptor, _MOST, 0))
        pid, host, command = int(said["pid"]), str(said["host"]), " ".join(str(said["command"]).split())
        return f"process {pid} on {host} ({command[:80]})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
