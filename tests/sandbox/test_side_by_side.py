"""What programs that run side by side, or one after the other, could share; and what each missing measure leaves open."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sandbox.test_ordinary_user import NOBODY, public, reachable

from openwindow.sandbox import seccomp, worker_folders
from openwindow.sandbox.jobs import Answer
from openwindow.sandbox.sandbox import ALWAYS, GUARANTEES, Calls, Limits, Returned, Sandbox
from openwindow.sandbox.shell import Shell, ShellLimits

pytestmark = pytest.mark.slow

__all__ = ["public"]

TRIES = """
import ctypes, errno, fcntl, mmap, os, platform, resource, signal, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
LIBRARY = os.__file__
X86 = platform.machine() == "x86_64"

def call(number, *arguments):
    given = [ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments]
    if libc.syscall(ctypes.c_long(number[0 if X86 else 1]), *given) < 0:
        raise OSError(ctypes.get_errno(), "")

def lock(command):
    with open(LIBRARY) as file:
        fcntl.fcntl(file, command, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 1, 0))

def flock(path):
    with open(path) as file: fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

def hint(command):
    with open(LIBRARY) as file: fcntl.fcntl(file, command, struct.pack("Q", 2))

def shared_futex():
    libc.mmap.restype = ctypes.c_void_p
    with open(LIBRARY) as file:
        page = libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), ctypes.c_long(0))
    call((202, 98), page, 1, 1, 0, 0, 0)  # wakes whoever waits there, in whichever process

def pipe_size():
    ends = os.pipe()
    fcntl.fcntl(ends[0], 1031, 1 << 16)

def in_flight():
    left, right = socket.socketpair()
    socket.send_fds(left, [b"x"], [0])

def device_times():
    os.utime("/dev/null")

def core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

ALL = {
    "flock": lambda: flock(LIBRARY), "flock_device": lambda: flock("/dev/null"),
    "flock_input": lambda: fcntl.flock(0, fcntl.LOCK_EX),
    **{f"lock_{n}": (lambda n=n: lock(n)) for n in (5, 6, 7, 36, 37, 38)},
    "lease": lambda: hint(1024), "read_hint": lambda: hint(1035), "write_hint": lambda: hint(1036), "file_hint": lambda: hint(1038),
    "notify": lambda: hint(1026), "inotify": lambda: call((294, 26), 0), "fanotify": lambda: call((300, 262), 0, 0),
    "aio": lambda: call((206, 0), 1, ctypes.byref(ctypes.c_ulong(0))), "sync": lambda: call((162, 81)),
    "syncfs": lambda: call((306, 267), 0), "sysinfo": lambda: call((99, 179), ctypes.create_string_buffer(256)),
    "futex": shared_futex, "pipe_size": pipe_size, "in_flight": in_flight, "device_times": device_times, "core": core,
    "mincore": lambda: call((27, 232), 0, 0, 0), "huge_pages": lambda: mmap.mmap(-1, 1 << 21, flags=0x40000 | 0x22),
    "huge_file": lambda: os.memfd_create("x", 4), "fadvise": lambda: os.posix_fadvise(0, 0, 0, 4),
    "timer": lambda: call((222, 107), 1, 0, ctypes.byref(ctypes.c_int(0))), "dumpable": lambda: call((157, 167), 4, 1, 0, 0, 0),
    "vsock": lambda: socket.socket(40, 1), "keys": lambda: call((250, 219), 0, -3, 1), "io_uring": lambda: call((425, 425), 1, 0),
    "membarrier": lambda: call((324, 283), 1, 0), "vmsplice": lambda: call((278, 75), 0, 0, 0, 0),
    "sched": lambda: os.sched_setaffinity(0, {0}), "nice": lambda: os.nice(1), "mlock": lambda: call((149, 228), 0, 0),
}
def f(x):
    went = []
    for name, action in ALL.items():
        try: action()
        except (OSError, ValueError, AttributeError): continue
        went.append(name)
    return went
"""  # fmt: skip


def answer(sandbox: Sandbox, source: str, *given: object) -> object:
    (found,) = sandbox.run([Calls(source, "f", (given,))])[0].values
    assert isinstance(found, Returned), found
    return found.value


def test_f5_e2_e3_e4_nothing_to_lock_watch_or_use_up() -> None:
    with Sandbox(1) as sandbox:
        if "seccomp" not in sandbox.describe().in_force:
            pytest.skip("this machine gives no filter")
        assert answer(sandbox, TRIES, 1) == []
    with Sandbox(1, without=frozenset({"seccomp"})) as sandbox:  # they are there to be refused
        went = answer(sandbox, TRIES, 1)
        assert isinstance(went, list)
        assert {"flock", "lock_6", "lock_37", "inotify", "sync", "sysinfo", "futex", "pipe_size", "in_flight", "core"} <= set(went)
        assert "device_times" not in went  # that is for the read-only mount


def test_refused_calls_are_ordinary_errors() -> None:
    source = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def f(number):
    return "done" if libc.syscall(ctypes.c_long(number), -1, 0, 0, 0) >= 0 else errno.errorcode[ctypes.get_errno()]
"""
    if seccomp.available() is not None:
        pytest.skip("no filter for this processor")
    with Sandbox(1) as sandbox:
        assert [answer(sandbox, source, number) for number in (425, 435, 463, 5000, 1 << 30)] == ["ENOSYS"] * 5
        refused = seccomp._number("flock")
        assert refused is not None and answer(sandbox, source, refused) == "EPERM"


def test_every_listed_call_has_one_number_on_each_processor() -> None:
    for place in (0, 1):
        numbers = [pair[place] for pair in seccomp._NUMBERS.values() if pair[place] is not None]
        assert len(set(numbers)) == len(numbers)
    newer = {name: pair for name, pair in seccomp._NUMBERS.items() if pair[0] is not None and pair[0] >= 424}
    assert newer and all(pair[0] == pair[1] for pair in newer.values())  # since then both count alike


DESCRIPTIONS = """
import fcntl, os
def f(x):
    seen = []
    for fd in range(64):
        try: status = os.fstat(fd)
        except OSError: continue
        seen.append((fd, status.st_mode, fcntl.fcntl(fd, fcntl.F_GETFL), os.lseek(fd, 0, 1) if fd else 0))
    if x:
        for fd in range(4): fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
    return seen
"""


def test_e2_no_open_file_is_shared_between_programs() -> None:
    with Sandbox(1) as sandbox:
        first = answer(sandbox, DESCRIPTIONS, True)
        assert answer(sandbox, DESCRIPTIONS, False) == first
    with Sandbox(1, without=frozenset({"seccomp"})) as sandbox:
        locks = "import fcntl\ndef f(x):\n    fcntl.flock(0, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    return True"
        assert answer(sandbox, locks, 1) is True
        with open("/dev/null") as null:  # nobody holds it once the program has ended
            subprocess.run(["flock", "--nonblock", "--exclusive", str(null.fileno())], pass_fds=[null.fileno()], check=True)


MARKS = """
import os
def f(path):
    went = []
    try: fd = os.open(path, os.O_RDONLY)
    except OSError: fd = -1
    tries = {
        "chmod": lambda: os.chmod(path, 0o600), "utime": lambda: os.utime(path, (1, 1)), "touch": lambda: os.utime(path),
        "chown": lambda: os.chown(path, os.getuid(), os.getgid()), "truncate": lambda: os.truncate(path, 0),
        "write": lambda: open(path, "w"), "append": lambda: open(path, "a"), "read": lambda: open(path).read(),
        "unlink": lambda: os.unlink(path), "link": lambda: os.link(path, "linked"), "rename": lambda: os.rename(path, "moved"),
        "fchmod": lambda: os.fchmod(fd, 0o600), "xattr": lambda: os.setxattr(path, "user.x", b"1"),
        "lchown": lambda: os.lchown(path, -1, -1), "folder": lambda: os.chmod(os.path.dirname(path), 0o700),
    }
    for name, action in tries.items():
        try: action()
        except OSError: continue
        went.append(name)
    return went
"""  # fmt: skip
MEASURES = ("user", "pid", "network", "ipc", "uts", "mount", "landlock", "seccomp")
CONTAINER = ("user", "pid", "mount", "network", "ipc", "uts")
TAKEN = [(), *[(name,) for name in MEASURES], CONTAINER, (*CONTAINER, "landlock"), ("mount", "landlock"), ("mount", "seccomp")]
AS_USER = f"""
import json, sys
from openwindow.sandbox.sandbox import Calls, Sandbox
found = []
for without in {TAKEN!r}:
    with Sandbox(1, without=frozenset(without)) as sandbox:
        host = sandbox.describe()
        outcome = sandbox.run([Calls({MARKS!r}, "f", ((sys.argv[1],),))])[0]
        found.append([sorted(host.guarantees), list(host.not_stopped), repr(outcome.values)])
print(json.dumps(found))
"""


@pytest.fixture
def owned() -> Iterator[Path]:
    """A file of whoever programs run as, in a folder of theirs."""
    folder = Path(tempfile.mkdtemp(prefix="owned-"))
    path = folder / "canary"
    path.write_text("alive")
    path.chmod(0o644)
    os.utime(path, (5, 5))
    if os.geteuid() == 0:
        for each in (folder, path):
            os.chown(each, NOBODY, NOBODY)
    yield path
    shutil.rmtree(folder)


def untouched(path: Path) -> bool:
    status = path.stat()
    return path.read_text() == "alive" and status.st_mode & 0o777 == 0o644 and status.st_mtime == 5


@pytest.mark.parametrize("without", TAKEN, ids=lambda names: "-".join(names) or "all")
def test_e1_files_are_claimed_only_where_nothing_of_them_can_be_changed(without: tuple[str, ...], owned: Path) -> None:
    with Sandbox(1, without=frozenset(without)) as sandbox:
        host = sandbox.describe()
        went = answer(sandbox, MARKS, str(owned))
    assert ("files" in host.guarantees) is ("mount" not in without or not {"landlock", "seccomp"} & set(without))
    if "files" in host.guarantees:
        assert went == [] and untouched(owned)
    for name, (ways, sentence) in GUARANTEES.items():
        missing = all(way & set(without) for way in ways)
        assert (sentence in host.not_stopped) is (name not in host.guarantees) and (name not in host.guarantees or not missing)
    assert set(ALWAYS) <= set(host.not_stopped)


def test_e1_the_same_as_an_ordinary_user(public: Path, owned: Path) -> None:
    interpreter = next((p for p in (Path(sys.executable).resolve(), Path("/usr/bin/python3")) if reachable(p)), None)
    if os.geteuid() != 0 or interpreter is None:
        pytest.skip("the other tests are run as an ordinary user already, or no interpreter can be started by one")
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": str(public), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [str(interpreter), "-c", AS_USER, str(owned)]
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    ran = subprocess.run(words, cwd="/", env=environ, capture_output=True, text=True, timeout=120, check=False, **user)
    assert ran.returncode == 0, ran.stderr
    for without, (guarantees, not_stopped, went) in zip(TAKEN, json.loads(ran.stdout), strict=True):
        if "files" in guarantees:
            assert went == "(Returned([]),)", (without, went)
        else:
            assert GUARANTEES["files"][1] in not_stopped


def test_e1_an_old_landlock_does_not_claim_files(monkeypatch: pytest.MonkeyPatch, owned: Path) -> None:
    without = frozenset({"mount", "truncation"})
    with Sandbox(1, without=without) as sandbox:
        assert "files" not in sandbox.describe().guarantees
        went = answer(sandbox, MARKS, str(owned))
    assert isinstance(went, list) and not {"truncate", "chmod", "utime", "chown", "fchmod"} & set(went)  # refused by the filter


def test_the_name_of_the_host_is_not_shown() -> None:
    with Sandbox(1) as sandbox:
        if "hostname" in sandbox.describe().guarantees:
            assert answer(sandbox, "import os\ndef f(x): return os.uname().nodename", 1) == "box"


def test_e6_the_limit_of_core_files_is_one_and_stays() -> None:
    source = """
import resource
def f(x):
    tried = []
    for value in ((0, 0), (0, 1), (1, 1), (-1, -1)):
        try: resource.setrlimit(resource.RLIMIT_CORE, value)
        except (OSError, ValueError): continue
        tried.append(value)
    return tried, resource.getrlimit(resource.RLIMIT_CORE)
"""
    with Sandbox(1) as sandbox:
        expected: tuple[list[Answer], tuple[int, int]] = ([], (1, 1))
        assert answer(sandbox, source, 1) == expected
        crash = sandbox.run([Calls("import ctypes\ndef f(x): ctypes.string_at(0)", "f", ((1,),))])[0]
        assert crash.detail == f"ended by signal {int(signal.SIGSEGV)}"


LONG = """
import sys, time
if sys.argv[1] == "shell":
    from openwindow.sandbox.shell import Shell
    shell = Shell()
    print("ready", flush=True)
    shell.run(["sh", "-c", "sleep 300 & sleep 300"], seconds=None)
else:
    from openwindow.sandbox.sandbox import Limits, Sandbox, Script
    sandbox = Sandbox(2, Limits(wall_seconds=60.0))
    print("ready", flush=True)
    sandbox.run([Script("import time; time.sleep(50)")] * 2)
"""


@pytest.mark.parametrize("kind", ["shell", "sandbox"])
def test_e5_all_ends_with_the_process_that_started_it(kind: str, tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    tmp_path.chmod(0o755)
    maker = subprocess.Popen([sys.executable, "-c", LONG, kind], stdout=subprocess.PIPE, text=True, env=environ)
    assert maker.stdout is not None and maker.stdout.readline() == "ready\n"
    time.sleep(0.5)
    below = psutil.Process(maker.pid).children(recursive=True)
    assert len(below) >= 4
    maker.kill()
    maker.wait()
    maker.stdout.close()
    assert psutil.wait_procs(below, timeout=30)[1] == []


def test_folders_of_those_that_were_killed_are_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held = worker_folders.Scratch()
    left, young, other = (tmp_path / name for name in ("openwindow-box-left", "openwindow-box-young", "openwindow-other"))
    for folder in (left, young, other):
        folder.mkdir()
    (left / "file").write_text("x")
    for folder in (left, other, Path(held.path)):
        os.utime(folder, (1, 1))
    worker_folders.sweep()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([Path(held.path).name, young.name, other.name])
    held.close()
    assert not Path(held.path).exists()


def test_honest_tools_of_an_agent_work() -> None:
    with Shell(ShellLimits(cpu_seconds=20, memory_mb=1024, folder_mb=16, processes=64)) as shell:
        script = (
            "set -e; if command -v git >/dev/null; then git init -q .;"
            " git -c user.name=a -c user.email=b commit -q --allow-empty -m x; fi;"
            "echo b > f; echo a >> f; sort -o f f; cp -p f g; chmod 600 g; touch g; tar cf t.tar f g; timeout 5 true; mkfifo p;"
            'flock f true; python3 -c \'import sqlite3, threading; c = sqlite3.connect("d"); c.execute("create table t(x)"); '
            "c.commit(); t = threading.Thread(target=print, args=(1,)); t.start(); t.join()'; tail -n 1 f"
        )
        ended = shell.run(["bash", "-c", script], seconds=60)
    assert (ended.code, ended.stdout, ended.stderr) == (0, b"1\nb\n", b""), ended


def test_honest_parts_of_the_library_work() -> None:
    source = """
import asyncio, concurrent.futures, mmap, os, selectors, shutil, signal, socket, sqlite3, subprocess, sys, tempfile, threading, time
def f(x):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a")
        with open(path, "w") as file: file.write("x" * 5000)
        shutil.copy2(path, path + "b")
        os.chmod(path, 0o600); os.utime(path, (1, 1)); os.truncate(path, 4096)
        with open(path, "r+b") as file: mmap.mmap(file.fileno(), 0)[0]
        shutil.rmtree(folder); os.mkdir(folder)
    left, right = socket.socketpair(); left.sendall(b"x"); right.recv(1)
    selectors.DefaultSelector().close()
    with concurrent.futures.ThreadPoolExecutor(3) as pool: done = list(pool.map(abs, range(20)))
    async def both():
        process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "print(1)", stdout=-1)
        return (await process.communicate())[0], await asyncio.gather(asyncio.sleep(0.01, 2), asyncio.to_thread(abs, -3))
    said = asyncio.run(both())
    ran = subprocess.run([sys.executable, "-S", "-c", "print(6)"], capture_output=True, text=True).stdout
    c = sqlite3.connect(":memory:"); c.execute("create table t(x)"); c.execute("insert into t values (1)")
    signal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
    event = threading.Event(); threading.Timer(0.01, event.set).start(); event.wait(); time.sleep(0.001)
    return len(done), said, ran, c.execute("select x from t").fetchall(), os.get_terminal_size is not None, os.cpu_count() > 0
"""
    with Sandbox(1, Limits(wall_seconds=20.0, cpu_seconds=10)) as sandbox:
        assert answer(sandbox, source, 1) == (20, (b"1\n", [2, 3]), "6\n", [(1,)], True, True)
