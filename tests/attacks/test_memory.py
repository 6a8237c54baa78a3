"""Nothing of a program can be found in the memory of those that come after it: not its source, not its inputs, not what it left."""

from __future__ import annotations

import pytest

from openwindow.sandbox.sandbox import Calls, Job, Limits, Outcome, Returned, Sandbox, Script, Status

HALVES = ("Qz7", "Kp3Wm9")  # whoever looks for the mark must not hold it
MARK = "".join(HALVES)
SIZES = (0, 60, 400, 1500, 6000, 30_000, 200_000)
VICTIM = f"""
import os
def f(x):
    print("{MARK} printed", x)
    open("{MARK}-file", "w").write("{MARK} written")
    os.makedirs("{MARK}-folder/{MARK}-inner")
    open("{MARK}-folder/{MARK}-inner/{MARK}", "w")
    if x.endswith("raise"): raise ValueError("{MARK} raised")
    return "{MARK} returned" + x
"""
SEARCH = """
import array, ctypes, os, sys
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
libc.pwrite.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
PAGE = 4096
copy = os.memfd_create("copy")

def readable(at):
    return libc.pwrite(copy, at, PAGE, 0) == PAGE

def region(at):
    low = high = at & -PAGE
    while readable(low - PAGE): low -= PAGE
    while readable(high): high += PAGE
    return low, high

def f(first, rest, own):
    if own: made = (first + rest).encode() * 2
    regions, tried, found, pages = {}, set(), [], 0
    kept = ctypes.create_string_buffer(64)
    starts = [libc.sbrk(0) - 64, ctypes.addressof(kept), ctypes.cast(libc.read, ctypes.c_void_p).value]
    starts += [id(None), id(f), id(sys), *map(id, list(sys.modules.values()))]
    while starts:
        at = starts.pop()
        if any(low <= at < high for low, high in regions.items()): continue
        low, high = region(at)
        if low == high: continue
        regions[low] = high
        tail = b""
        for at in range(low, high, 1 << 20):
            size = libc.pwrite(copy, at, min(1 << 20, high - at), 0)
            if size <= 0: continue
            data = tail + os.pread(copy, size, 0)
            pages += size // PAGE
            place = data.find(first.encode())
            while place >= 0:
                end = place + len(first)
                if data[end:end + len(rest)] == rest.encode(): found.append(repr(data[max(0, place - 20):end + 40]))
                place = data.find(first.encode(), place + 1)
            near = {word >> 12 for word in array.array("Q", data[len(tail):len(tail) + size]) if 1 << 44 < word < 1 << 47}
            starts += [page << 12 for page in near - tried]
            tried |= near
            tail = data[-32:]
    return pages, [text for text in found if "made" not in text]
"""


def victims() -> list[Job]:
    """Programs of many sizes that carry the mark in their source, inputs, output, answers, files, errors and exit."""
    found: list[Job] = []
    for size in SIZES:
        pad = "#" * size
        found.append(Calls(VICTIM + pad, "f", ((MARK + pad,), (MARK + pad + "raise",))))
        found.append(Script(f"{VICTIM}{pad}\nf('x')\nraise SystemExit('{MARK}{pad}')"))
    found += [Script(f"def f(:{MARK}"), Calls(f"1/0 # {MARK}", "f", (([MARK],),)), Script(f"import os\nos.abort() # {MARK}")]
    return found * 2


def search(sandbox: Sandbox, *, own: bool = False) -> list[Outcome]:
    return sandbox.run([Calls(SEARCH, "f", ((*HALVES, own),))] * (2 * len(sandbox._workers)))


WITHOUT = ({}, {"pid"}, {"seccomp"}, {"mount"}, {"user", "pid", "mount", "network", "ipc"})


@pytest.mark.attacks
@pytest.mark.parametrize("without", WITHOUT, ids=lambda names: "-".join(sorted(names)) or "all")
def test_f1_nothing_of_a_program_is_in_the_memory_of_the_next(without: set[str]) -> None:
    with Sandbox(2, Limits(wall_seconds=30.0, cpu_seconds=20), without=frozenset(without)) as sandbox:
        ended = sandbox.run(victims())
        assert {o.status for o in ended} >= {Status.OK, Status.EXIT, Status.RAISED, Status.KILLED}
        assert any(isinstance(v, Returned) and MARK in str(v.value) for o in ended for v in o.values)
        for outcome in search(sandbox):
            assert outcome.status is Status.OK, outcome
            (answer,) = outcome.values
            assert isinstance(answer, Returned) and isinstance(answer.value, tuple)
            pages, found = answer.value
            assert pages > 1000 and found == []


@pytest.mark.attacks
def test_f1_the_search_finds_what_is_there() -> None:
    with Sandbox(1, Limits(wall_seconds=30.0, cpu_seconds=20)) as sandbox:
        (answer,) = search(sandbox, own=True)[0].values
        assert isinstance(answer, Returned) and isinstance(answer.value, tuple)
        assert answer.value[1] != []
