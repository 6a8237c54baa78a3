"""One writer for each part of a folder that several processes write together, on one machine or many.

    claims = Claims(Path("runs/mine/.claims"))
    with claims.attempt("arms/plain/seed-1") as holder:      # None: it is this process's now; else who has it
        ...

A claim is a file NAME.N, where N counts how often it was taken over; the highest N holds. It is made by an exclusive create, which
network file systems have too, where locks of the kernel often end at the machine. It names host, process and command, and is
written anew every `BEAT` seconds with what the holder is doing. A holder that has died loses its claim to the next who wants it:

- on the same machine (the same boot and process namespace) once the process is gone, or another one has its number;
- on any other machine once the file has not changed for `DEAD` seconds, measured by the clock of the one who waits. Clocks are
  never compared with each other, so they may differ. The one limit: a holder that stood still for longer (suspended, or cut off
  from the file system) loses its claim although it lives. It is interrupted as soon as it notices, within `BEAT` seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openwindow.errors import RunError, StorageError

BEAT, DEAD = 5.0, 120.0
"""seconds between signs of life, and without one until a holder on another machine counts as dead"""
NAME = ".claims"
_SIZE = 4096  # bytes of a claim, always the same, so that no reader finds a shorter one with the end of a longer one


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a claim, and what they said last about what they are doing."""

    name: str
    """What is claimed."""
    host: str = ""
    pid: int = 0
    command: str = ""
    doing: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.command[:80]})" if self.host else "another process"


class Claims:
    """The claims of one folder, as one process sees them."""

    def __init__(self, folder: Path, doing: Callable[[], str] = str) -> None:
        """`doing` describes what this process is at; it is written beside each of its claims."""
        self.folder = folder
        self.doing = doing
        self._seen: dict[str, tuple[tuple[str, int], float]] = {}
        self._mine: set[str] = set()

    @contextlib.contextmanager
    def attempt(self, name: str) -> Iterator[Holder | None]:
        """Holds the claim while the block runs and gives it None, or gives it the living holder at once.

        Raises StorageError, and RunError where the claim was lost to another process during the block.
        """
        try:
            taken = self._take(name)
        except OSError as error:
            raise StorageError(
                f"cannot claim {name} in {self.folder.parent} ({error.strerror or error}); expected a writable folder with free "
                "space; make room or choose another --out"
            ) from error
        if isinstance(taken, Holder):
            yield taken
            return
        self._mine.add(name)
        try:
            yield None
        except KeyboardInterrupt:
            taken.check()
            raise
        finally:
            self._mine.discard(name)
            taken.release()
        taken.check()

    def others(self) -> list[Holder]:
        """Who else holds something here, by name."""
        highest = {name: path for name, _, path in self._files() if name not in self._mine}
        return [holder for name, path in highest.items() if (holder := self._judged(name, path)[0]) is not None]

    def forget_dead(self) -> None:
        """Removes the claims of dead holders that nobody has wanted since."""
        for name, _, path in self._files():
            if name not in self._mine and self._judged(name, path)[0] is None:
                path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes the folder of the claims if it is empty."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _files(self) -> list[tuple[str, int, Path]]:
        """(name, number, path) of all claims, in order."""
        try:
            there = [(path.name.rpartition("."), path) for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(
            (stem.replace(",", "/"), int(number), path)
            for (stem, _, number), path in there
            if number.isascii() and number.isdecimal()
        )

    def _of(self, name: str) -> list[tuple[int, Path]]:
        return [(number, path) for named, number, path in self._files() if named == name]

    def _take(self, name: str) -> _Held | Holder:
        while True:
            there = self._of(name)
            judged = [(path, *self._judged(name, path)) for _, path in there]
            living = next((holder for _, holder, _ in reversed(judged) if holder is not None), None)
            if living is not None:
                return living
            number = there[-1][0] + 1 if there else 1
            path = self.folder / f"{name.replace('/', ',')}.{number}"
            held = _Held.made(path, name, self.doing)
            if held is None:
                continue
            dead = {token for _, _, token in judged}
            now = self._of(name)
            if now and now[-1][0] == number and all(_token(below) in dead for _, below in now[:-1]):
                for _, below in now[:-1]:
                    below.unlink(missing_ok=True)
                held.start()
                return held
            held.release()  # somebody claimed it between the look and the create: both withdraw and look again
            time.sleep(random.uniform(0, 0.05))

    def _judged(self, name: str, path: Path) -> tuple[Holder | None, str]:
        """The holder, None if it is dead or has let go, and the token of its claim."""
        try:
            said, changed = _read(path), path.stat().st_mtime_ns
        except FileNotFoundError:
            return None, ""
        token = str(said.get("token", ""))
        holder = Holder(name, *(said.get(key, value) for key, value in (("host", ""), ("pid", 0), ("command", ""), ("doing", ""))))
        if said.get("place") == _place():
            return (holder if _started(holder.pid) == said.get("started") else None), token
        beat, now = (token, changed), time.monotonic()
        last, since = self._seen.get(path.name, (None, now))
        if last != beat:
            self._seen[path.name] = (beat, now)
            return holder, token
        return (holder if now - since < DEAD else None), token


class _Held:
    """A claim of this process, and the thread that shows that it lives."""

    def __init__(self, path: Path, descriptor: int, said: dict[str, Any], doing: Callable[[], str]) -> None:
        self._path = path
        self._descriptor = descriptor
        self._said = said
        self._doing = doing
        self._lost = False
        self._end = threading.Event()
        self._here = threading.current_thread()
        self._thread = threading.Thread(target=self._beat, name="claim", daemon=True)

    @classmethod
    def made(cls, path: Path, name: str, doing: Callable[[], str]) -> _Held | None:
        """The claim at the path, or None where there is one already. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(path, flags, 0o644)
        except (FileExistsError, FileNotFoundError):  # the folder may be tidied away before the file is made
            return None
        said = {
            "token": uuid.uuid4().hex,
            "place": _place(),
            "host": platform.node(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "command": " ".join(sys.argv)[:200],
        }
        held = cls(path, descriptor, said, doing)
        try:
            held.show()
        except OSError:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return held

    def start(self) -> None:
        """Shows signs of life from now on."""
        self._thread.start()

    def release(self) -> None:
        """Lets go; what has been taken over stays the other's."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(OSError):
            if not self._gone():
                self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def check(self) -> None:
        """Raises RunError if the claim was lost."""
        if self._lost:
            raise RunError(
                f"this process stood still for more than {DEAD:.0f} s, and another one has taken over "
                f"{self._path.stem.replace(',', '/')} since; expected it to run on; give the same command again to resume"
            )

    def _beat(self) -> None:
        while not self._end.wait(BEAT):
            if self._gone():
                self._lost = True
                if self._here is threading.main_thread():
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return
            with contextlib.suppress(OSError):
                self.show()

    def _gone(self) -> bool:
        """Whether the claim at the path is another's, or none; what cannot be read just now may still be ours."""
        return _token(self._path) not in (self._said["token"], None)

    def show(self) -> None:
        """A sign of life, with what is being done. Raises OSError."""
        text = json.dumps(self._said | {"doing": self._doing()[:300]}, ensure_ascii=False).encode("utf-8", "replace")
        os.pwrite(self._descriptor, text[:_SIZE].ljust(_SIZE), 0)
        os.fsync(self._descriptor)


def _read(path: Path) -> dict[str, Any]:
    """What a claim says; nothing while it is being written. Raises FileNotFoundError."""
    try:
        said = json.loads(path.read_bytes()[:_SIZE])
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError):
        return {}
    formed = isinstance(said, dict) and isinstance(said.get("pid"), int)
    return said if formed else {}


def _token(path: Path) -> str | None:
    """The token of the claim at the path; empty without a claim, None where it cannot be read."""
    try:
        token = _read(path).get("token")
    except FileNotFoundError:
        return ""
    return None if token is None else str(token)


def _place() -> str:
    """Names this boot of this machine, and the namespace of process numbers: where a process's number means the same process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def _started(pid: int) -> str | None:
    """When the process was started, in ticks since boot, as a text; None if it is gone."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _runs(pid)
    return None if state in "ZX" else fields[18]


def _runs(pid: int) -> str | None:
    """The same where there is no /proc: a process that can be signalled runs."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return ""
    except OSError:
        return None
    return ""
