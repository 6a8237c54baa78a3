"""Encodes a program's answers: the half of the wire format that runs inside the child; and the pipes they go through.

It runs next to the program and is not trusted; `codec.decode` reads what it writes, outside. Covered: None, bool,
int, float, str, bytes, list, tuple, dict, set and frozenset, by exact type: a subclass is refused, because a subclass
can lie about itself. Not covered: any other type, values nested deeper than `MAX_DEPTH`, values of more than
`MAX_NODES` parts, cycles.

The format is JSON, in which null, true, false and integers below 2**63 stand for themselves and everything else is a
pair [tag, content]. Larger integers are hexadecimal, since Python refuses long decimal ones; floats are hexadecimal,
so that they are restored exactly; strings are UTF-8, including lone surrogates, in hexadecimal. The code is written
by hand, without the modules `json` and `struct`, because these would be in the memory of every program's process.
"""

from __future__ import annotations

import os
import select
import time

MAX_DEPTH = 64
MAX_NODES = 200_000
SMALL = 1 << 63

MAGIC = b"OWN1"
EXITED, SIGNALLED, TIMED_OUT = 0, 1, 2
UNREADY = 97  # exit status of a process that could not be set up to run its program
DEFINED, FAILED, VALUE, RAISED = b"D", b"F", b"V", b"R"
REPLY_NUMBERS = 8
ANSWER_SIZE = 5


class WireError(ValueError):
    """The value cannot be sent, or the received bytes are not a value."""


def reply(how: int, spent: bool, code: int, elapsed: int, used: int, printed: int, out: int, result: int) -> bytes:
    """The head of a worker's reply.

    How the program ended, whether its worker is unusable, its exit status or signal, how long it took and how much
    processor time (both in microseconds), the bytes it printed, and the lengths of the two parts that follow.
    """
    numbers = (how, spent, code, elapsed, used, printed, out, result)
    return MAGIC + b"".join([n.to_bytes(8, "little") for n in numbers])


def answer(kind: bytes, body: bytes) -> bytes:
    """One answer of a program: its kind, its length, itself."""
    return kind + len(body).to_bytes(4, "little") + body


def write(fd: int, data: bytes) -> None:
    """Writes all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read(fd: int, count: int) -> bytes | None:
    """Reads exactly that many bytes, or None if the other end has gone."""
    parts: list[bytes] = []
    while count:
        part = os.read(fd, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def wait(pid: int, seconds: float | None) -> bool:
    """Whether the process ended in time; its status remains to be collected."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:  # a kernel or container without it: check every millisecond
        deadline = None if seconds is None else time.monotonic() + seconds
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    ended = bool(poll.poll(None if seconds is None else seconds * 1000))
    os.close(fd)
    return ended


def encode(value: object) -> bytes:
    """The value in the wire format; WireError explains why it has none."""
    return _Writer().text(value, 0).encode("ascii")


class _Writer:
    """Writes a value and counts its parts as it goes."""

    def __init__(self) -> None:
        self.nodes = 0

    def text(self, value: object, depth: int) -> str:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise WireError(f"returned a value nested more than {MAX_DEPTH} deep")
        if self.nodes > MAX_NODES:
            raise WireError(f"returned a value of more than {MAX_NODES} parts")
        # `type(x) is`, never isinstance: the program can make a class that passes isinstance for anything.
        if value is None:
            return "null"
        if type(value) is bool:
            return "true" if value else "false"
        if type(value) is int:
            return str(value) if -SMALL < value < SMALL else f'["i","{value:x}"]'
        if type(value) is float:
            return f'["f","{value.hex()}"]'
        if type(value) is str:
            return f'["u","{value.encode("utf-8", "surrogatepass").hex()}"]'
        if type(value) is bytes:
            return f'["b","{value.hex()}"]'
        return self.container(value, depth + 1)

    def container(self, value: object, depth: int) -> str:
        if type(value) is list:
            return self.pair("l", [self.text(v, depth) for v in value])
        if type(value) is tuple:
            return self.pair("t", [self.text(v, depth) for v in value])
        if type(value) is dict:
            return self.pair("d", [f"[{self.text(k, depth)},{self.text(v, depth)}]" for k, v in value.items()])
        if type(value) is set:
            return self.pair("s", [self.text(v, depth) for v in value])
        if type(value) is frozenset:
            return self.pair("z", [self.text(v, depth) for v in value])
        raise WireError(f"returned an object of type {type(value).__name__:.80}")

    def pair(self, tag: str, parts: list[str]) -> str:
        return f'["{tag}",[{",".join(parts)}]]'
