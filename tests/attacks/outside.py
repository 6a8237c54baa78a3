"""The machine around the sandbox, as far as attacks aim at it, and what tells whether they hit."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from attacks.attack import WIN

from openwindow.sandbox.sandbox import Job, Outcome, Sandbox

_NAIVE = """
import json, sys
cases = [([x], 7 * x + 5) for x in (3, 10, 11, 2000)]
def run(source):
    names = {"__name__": "program"}
    exec(source, names)
    passed = all([type(names["f"](*args)) is type(expected) and names["f"](*args) == expected for args, expected in cases])
    print(json.dumps({"passed": passed}))
run(sys.stdin.read())
"""


class Recording(Sandbox):
    """A sandbox that remembers the outcomes of its last run."""

    last: tuple[Outcome, ...] = ()

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        outcomes = super().run(jobs)
        self.last = tuple(outcomes)
        return outcomes


class Outside:
    """A file, a process and four kinds of server that no program may reach."""

    def __init__(self, folder: Path) -> None:
        self.canary = folder / "canary"
        self.canary.write_text("alive")
        self.canary.chmod(0o666)
        self.path = str(folder / "socket")
        self.touched: list[str] = []
        self.victim = subprocess.Popen(["sleep", "1000"], env={"OPENWINDOW_SECRET": "1"})
        self.closing = contextlib.ExitStack()
        tcp = self.closing.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = tcp.getsockname()[1]
        udp = self.closing.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", self.port))
        named, abstract = (self.closing.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        named.bind(self.path)
        abstract.bind("\0" + self.path)
        Path(self.path).chmod(0o777)
        for server in (named, abstract):
            server.listen()
        for server in (tcp, udp, named, abstract):
            threading.Thread(target=self._watch, args=(server,), daemon=True).start()

    def _watch(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                if server.type == socket.SOCK_STREAM:
                    server.accept()[0].close()
                else:
                    server.recv(100)
                self.touched.append(f"{server.family.name} {server.type.name}")

    def fill(self, source: str) -> str:
        """The source with the names of the things outside filled in."""
        names = {"CANARY": self.canary, "PORT": self.port, "PID": self.victim.pid, "SOCKET": self.path}
        for name, value in names.items():
            source = source.replace(f"@{name}@", str(value))
        return source

    def hits(self) -> list[str]:
        """What has been reached, since last asked."""
        found, self.touched = self.touched, []
        if self.canary.read_text() != "alive":
            found.append("canary overwritten")
            self.canary.write_text("alive")
        if self.victim.poll() is not None:
            found.append("victim killed")
        return found

    def close(self) -> None:
        """Takes all of it away."""
        self.victim.kill()
        self.victim.wait()
        self.closing.close()


def fools_naive(source: str) -> bool:
    """Whether a grader in the program's own interpreter, which prints its verdict, believes the program."""
    done = subprocess.run([sys.executable, "-I", "-c", _NAIVE], input=source, capture_output=True, text=True, timeout=60)
    with contextlib.suppress(ValueError, IndexError):
        return json.loads(done.stdout.strip().splitlines()[-1]) == {"passed": True}
    return False


def escapes_bare(source: str, folder: Path) -> bool:
    """Whether the program gets what it wants in a plain process of this machine."""
    program = folder / "submission.py"
    program.write_text(source)
    environ = {**os.environ, "OPENWINDOW_SECRET": "1"}
    command = [sys.executable, str(program)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, env=environ)
    return WIN in done.stdout


@contextlib.contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """The things outside, for as long as attacks run."""
    machine = Outside(folder)
    try:
        yield machine
    finally:
        machine.close()
