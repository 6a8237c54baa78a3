"""The shell for agents: what its commands can do, what they cannot, and that nothing of them is left."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from openwindow.errors import SandboxError
from openwindow.sandbox import isolation, shell
from openwindow.sandbox.shell import Shell, ShellLimits

SMALL = ShellLimits(cpu_seconds=5, memory_mb=512, folder_mb=8, processes=32)


@pytest.fixture
def box() -> Iterator[Shell]:
    with Shell(SMALL) as running:
        yield running


def bash(box: Shell, text: str, seconds: float = 20.0) -> tuple[int, str]:
    ended = box.run(["bash", "-c", text], seconds=seconds)
    assert not ended.late
    return ended.code, (ended.stdout + ended.stderr).decode()


def test_commands_share_a_folder_and_their_leftovers(box: Shell) -> None:
    assert bash(box, "echo 4 > n; (while [ ! -e go ]; do sleep 0.05; done; echo 5 > n) & disown; cat n") == (0, "4\n")
    box.write("go", b"")
    deadline = time.monotonic() + 60
    while box.read("n") != b"5\n" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert box.read("n") == b"5\n"
    assert box.run(["python3", "-c", "print(input())"], given=b"given\n").stdout == b"given\n"
    box.write("tool.sh", b"#!/bin/sh\necho tool $1\n")
    assert bash(box, "chmod +x tool.sh && ./tool.sh works") == (0, "tool works\n")


def test_nothing_of_the_host_is_in_sight(box: Shell, tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("secret")
    (tmp_path / "canary").chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _, said = bash(
            box,
            f"cat {tmp_path}/canary /etc/shadow /etc/passwd /proc/1/environ; env; "
            f"(echo > /dev/tcp/127.0.0.1/{port}) && echo CONNECTED; mount -t tmpfs x /box && echo MOUNTED; "
            "touch /usr/bin/x && echo WROTE; unshare -r true && echo UNSHARED; kill -9 1; kill -9 -- -1; "
            "python3 -c 'import os; print(os.listdir(\"/\"), os.getuid())'",
        )
    assert "secret" not in said and "root:" not in said
    assert not {"CONNECTED", "MOUNTED", "WROTE", "UNSHARED"} & set(said.split())
    assert "PYTEST" not in said and "65534" in said
    assert bash(box, "echo alive") == (0, "alive\n")


def test_links_and_pipes_that_a_command_lays_lead_nowhere(box: Shell, tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("secret")
    bash(box, f"ln -s {tmp_path}/canary link; ln -s /dev/zero zero; mkfifo pipe; ln -s {tmp_path} folder; ln -s loop loop")
    for name in ("link", "folder/canary", "loop", "zero", "pipe", "/proc/1/mem", "\0", "x" * 300, ".", "../../etc/passwd"):
        with pytest.raises(OSError):
            box.read(name)
    for name in ("link", "zero", "pipe", "folder/new", "/etc/new", "\0", "."):
        with pytest.raises(OSError):
            box.write(name, b"overwritten")
    assert (tmp_path / "canary").read_text() == "secret" and sorted(p.name for p in tmp_path.iterdir()) == ["canary"]


def test_a_late_command_is_ended_with_its_children(box: Shell) -> None:
    script = "(while true; do date +%s%N > tick; sleep 0.02; done) & sleep 60"
    start = time.monotonic()
    ended = box.run(["bash", "-c", script], seconds=0.5)
    assert ended.late and time.monotonic() - start < 50  # not the 60 that it sleeps
    first = box.read("tick")
    time.sleep(0.3)
    assert box.read("tick") == first


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        ":(){ :|:& };: 2>/dev/null",
        "dd if=/dev/zero of=big bs=1M count=100",
        "python3 -c 'x = bytearray(10**10)'",
        "yes | head -c 50000000 > /dev/null; for i in $(seq 20000); do : > f$i || break; done",
        "python3 -c 'import os; fds = [os.open(\"/dev/null\", 0) for _ in range(10**4)]'",
        "mkdir d && cd d && rmdir ../d; chmod 000 /box; chmod 700 /box",
        "kill -STOP 1; kill -TERM 1; kill -KILL 1",
        "exec 3<>/dev/tcp/10.0.0.1/80",
    ],
)
def test_what_a_command_exhausts_or_breaks_is_its_own(box: Shell, text: str) -> None:
    box.run(["bash", "-c", text], seconds=3.0, keep=1000)
    deadline, said = time.monotonic() + 60, b""
    while time.monotonic() < deadline and said != b"alive\n":  # processes of a fork bomb need a moment to come to their end
        try:
            said = box.run(["bash", "-c", "rm -rf f* big; echo alive"], seconds=5.0).stdout
        except BlockingIOError:  # the box has no process to spare yet
            time.sleep(0.5)
    assert said == b"alive\n"
    box.write("after", b"1")
    assert box.read("after") == b"1"


def test_output_and_files_are_read_up_to_a_limit(box: Shell) -> None:
    ended = box.run(["sh", "-c", "yes | head -c 3000; echo err >&2"], keep=100)
    assert ended.cut and len(ended.stdout) == 100 and ended.stderr == b"err\n"
    box.write("long", b"x" * 2000)
    assert box.read("long", 1999) is None and box.read("long", 2000) == b"x" * 2000


def test_two_shells_do_not_meet() -> None:
    with Shell(SMALL) as one, Shell(SMALL) as other:
        one.write("mine", b"1")
        with pytest.raises(FileNotFoundError):
            other.read("mine")


def test_threads_take_turns(box: Shell) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda i=i: found.append(box.run(["echo", str(i)]).stdout)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"{i}\n".encode() for i in range(8)]


def test_closing_ends_all_and_leaves_nothing() -> None:
    running = Shell(SMALL)
    scratch = Path(running._scratch.path)
    bash(running, "nohup sleep 1000 > /dev/null 2>&1 & disown")
    below = psutil.Process(running._process.pid).children(recursive=True)
    assert below
    running.close()
    gone, alive = psutil.wait_procs(below, timeout=30)
    assert gone and alive == [] and not scratch.exists()
    with pytest.raises(SandboxError, match="has been closed or has ended: start another"):
        running.run(["true"])
    running.close()


def test_a_command_that_waits_ends_when_the_shell_is_closed() -> None:
    running = Shell(SMALL)
    said: list[BaseException] = []

    def wait() -> None:
        try:
            running.run(["sleep", "60"])
        except SandboxError as error:
            said.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    running.close()
    thread.join(10)
    assert not thread.is_alive() and len(said) == 1


def test_a_host_that_gives_less_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(boot: str, given: tuple[dict[str, object], tuple[object, ...]]) -> object:
        return spawn(boot, ({**given[0], "without": frozenset({"mount"})}, given[1]))

    spawn = shell.spawn
    monkeypatch.setattr(shell, "spawn", without)
    with pytest.raises(SandboxError, match=r"this host does not isolate commands \(mount: left out on request; .*\): use docker"):
        Shell(SMALL)


def test_programs_of_the_pool_may_not_start_files_that_they_write() -> None:
    assert isolation.Settings._field_defaults == {"runs_files": False}
