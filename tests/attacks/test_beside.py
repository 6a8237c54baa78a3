"""A program without a solution gets none from one that has it, before it or beside it."""

from __future__ import annotations

import pytest
from attacks.attack import Line

from openwindow.envs.sandbox import Limits, Sandbox
from openwindow.envs.verdict import Grader

RIGHT = "def f(x):\n    return 7 * x + 5\n"
THIEF = """
import ctypes, os, re
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
libc.pwrite.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
copy, at, parts = os.memfd_create("copy"), libc.sbrk(0) & -4096, []
while libc.pwrite(copy, at - 4096, 4096, 0) == 4096:
    at -= 4096
    parts.insert(0, os.pread(copy, 4096, 0))
f = lambda x: 0
for body in re.findall(rb"return ([x0-9 +*-]{3,40})", b"".join(parts)):
    try:
        made = eval("lambda x: " + body.decode())
        if made(3) == 26: f = made
    except Exception: pass
"""
CHANNEL = """
import ctypes, fcntl, mmap, os, struct, time
libc = ctypes.CDLL(None, use_errno=True)
names = sorted(n for n in os.listdir(os.path.dirname(os.__file__)) if n.endswith(".py"))[:36]
files = [os.open(os.path.join(os.path.dirname(os.__file__), n), os.O_RDONLY) for n in names]
def say(bit, on):
    for kind in KINDS:
        try:
            if kind == "flock": fcntl.flock(files[bit], (fcntl.LOCK_EX if on else fcntl.LOCK_UN) | fcntl.LOCK_NB)
            if kind == "hint": fcntl.fcntl(files[bit], 1036, struct.pack("Q", 2 if on else 1))
            if kind == "posix":
                fcntl.fcntl(files[bit], 6, struct.pack("hhqqi4x", fcntl.F_RDLCK if on else fcntl.F_UNLCK, 0, 0, 0, 0))
        except OSError: pass
def hear(bit):
    for kind in KINDS:
        try:
            if kind == "flock":
                fcntl.flock(files[bit], fcntl.LOCK_SH | fcntl.LOCK_NB); fcntl.flock(files[bit], fcntl.LOCK_UN)
            if kind == "hint" and struct.unpack("Q", fcntl.fcntl(files[bit], 1035, bytes(8)))[0] == 2: return True
            if kind == "posix":
                told = fcntl.fcntl(files[bit], 5, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
                if struct.unpack("hhqqi4x", told)[0] != fcntl.F_UNLCK: return True
        except BlockingIOError: return True
        except OSError: pass
    return False
"""
TELLER = """
def f(x): return 7 * x + 5
end = time.monotonic() + 1.0
while time.monotonic() < end:
    for bit in range(8): say(bit, 7 >> bit & 1); say(8 + bit, 5 >> bit & 1)
"""
LISTENER = """
time.sleep(0.4)
heard = [sum(1 << bit for bit in range(8) if hear(8 * part + bit)) for part in (0, 1)]
def f(x): return heard[0] * x + heard[1]
"""


def verdicts(programs: list[str], workers: int) -> list[tuple[bool | None, bool | None]]:
    with Sandbox(workers, Limits(wall_seconds=4.0, cpu_seconds=3)) as sandbox:
        grader = Grader(Line(), sandbox, seed=0)
        return [(v.proxy, v.truth) for v in grader.grade([(Line.problem, code) for code in programs])]


@pytest.mark.parametrize("workers", [1, 2])
def test_f1_a_thief_finds_no_solution_in_memory(workers: int) -> None:
    programs = [code + f"# {n}" for n in range(3) for code in (RIGHT, THIEF)]
    assert verdicts([*programs, RIGHT], workers)[1::2] == [(False, False)] * 3


def test_f1_a_thief_finds_nothing_of_an_earlier_batch() -> None:
    with Sandbox(2) as sandbox:
        grader = Grader(Line(), sandbox, seed=0)
        for code in (RIGHT, THIEF, RIGHT + "# again", THIEF + "# again"):
            assert grader.grade([(Line.problem, code)])[0].truth is code.startswith(RIGHT)


@pytest.mark.parametrize("kind", ["flock", "posix", "hint"])
def test_f5_a_listener_hears_nothing(kind: str) -> None:
    channel = f"KINDS = [{kind!r}]\n{CHANNEL}"
    for _ in range(2):
        teller, listener = verdicts([channel + TELLER, channel + LISTENER], 2)
        assert teller[1] is True and listener == (False, False)
