"""The requests a sandbox accepts, what it returns, and how the bytes of a worker's reply become an outcome.

The worker wrote the outer frame of the reply; the program's own process wrote the answers inside it, so these are decoded as
hostile input. Not covered: whether an answer is right, which `verdict.py` decides.
"""

from __future__ import annotations

import itertools
import marshal
import reprlib
import signal
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from openwindow.errors import SandboxError
from openwindow.sandbox import codec, wire


@dataclass(frozen=True)
class Limits:
    """What one program may use."""

    wall_seconds: float = 3.0
    """Time from start to end, in seconds."""
    cpu_seconds: int = 2
    """Processor time of each of its processes, in seconds."""
    memory_mb: int = 256
    """Address space of each of its processes, in MiB."""
    file_mb: int = 1
    """Size of its private working folder, in MiB."""
    processes: int = 8
    """Number of processes and threads at one time."""
    open_files: int = 64
    """Number of open descriptors of each process."""
    output_kb: int = 64
    """Total output it may print, in KiB; a program that prints more has failed."""
    result_kb: int = 1024
    """Size of the values it returns when encoded, in KiB."""


@dataclass(frozen=True)
class Script:
    """The proxy: runs the source in one interpreter and reads its exit status, nothing else."""

    source: str


@dataclass(frozen=True)
class Calls:
    """The truth: defines the function, calls `entry_point` on each input, returns the values. No expected value is ever sent."""

    source: str
    entry_point: str
    inputs: tuple[tuple[object, ...], ...]


Job = Script | Calls


@dataclass(frozen=True)
class Returned:
    """A call returned this value, rebuilt from the wire."""

    value: object

    def __repr__(self) -> str:
        return f"Returned({brief(self.value)})"


@dataclass(frozen=True)
class Raised:
    """A call raised, or returned something that is not plain data."""

    error: str


Answer = Returned | Raised


class Status(StrEnum):
    """How a program ended."""

    OK = "ok"  # a script exited with 0; or the source defined its function and every call was answered
    RAISED = "raised"  # an exception while the source was executed
    EXIT = "exit"  # it ended its own process: a script with another status, or during the calls
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"  # printed or returned more than allowed
    KILLED = "killed"  # by a signal, its own or the kernel's; or it took its worker down twice
    PROTOCOL = "protocol"  # what it sent is not what the runner writes
    REFUSED = "refused"  # not run: larger than the limit for jobs
    FAULT = "fault"  # the sandbox failed, through no fault of the program


@dataclass(frozen=True)
class Outcome:
    """The result of one program that was run."""

    status: Status
    exit_code: int | None
    """Its exit status; None if it did not exit by itself."""
    values: tuple[Answer | None, ...]
    """One per input; None if the call was not reached or did not end."""
    stdout: str
    """What it printed, including standard error, cut off at the limit, as printable characters."""
    seconds: float
    """Time from start to end."""
    detail: str
    """The status in words."""


def pack(job: Job) -> bytes:
    """The job as the worker's child reads it: `marshal`, which is safe in this direction only.

    Each input is packed separately and without references, so that no two calls ever share an object.
    """
    try:
        if isinstance(job, Script):
            return marshal.dumps((job.source, None, []))
        # mypy knows marshal's types but not that ours are among them; anything else raises ValueError
        inputs = [marshal.dumps(arguments, 2) for arguments in job.inputs]  # type: ignore[arg-type]
        return marshal.dumps((job.source, job.entry_point, inputs))
    except ValueError as error:
        raise SandboxError(f"an input of {job!r:.80} is not plain data and cannot be sent: {error}") from None


@dataclass(frozen=True)
class Ended:
    """What a worker reports about a program: how and with which code it ended, and the bytes it sent."""

    how: int
    code: int
    seconds: float
    printed: int
    out: bytes
    answers: bytes


def read(job: Job, ended: Ended, limits: Limits) -> Outcome:
    """The outcome of a program that ended in this way."""
    stdout = printable(ended.out)
    values: tuple[Answer | None, ...] = ()
    status, detail = _ending(ended, stdout, limits)
    if isinstance(job, Calls):
        try:
            values, failure = _answers(ended.answers, len(job.inputs))
        except wire.WireError as error:
            values, failure = (None,) * len(job.inputs), None
            if status in (Status.OK, Status.EXIT):
                status, detail = Status.PROTOCOL, f"sent what the runner does not write: {error}"
        if status in (Status.OK, Status.EXIT):
            status, detail = _calls_ending(status, detail, values, failure, ended.code)
    if ended.printed > limits.output_kb << 10 and status is not Status.TIMEOUT:
        status, detail = Status.OUTPUT, f"printed more than {limits.output_kb} KiB"
    if len(ended.answers) >= limits.result_kb << 10:
        status, detail = Status.OUTPUT, f"returned more than {limits.result_kb} KiB"
    code = ended.code if ended.how == wire.EXITED else None
    return Outcome(status, code, values, stdout, ended.seconds, detail)


def lost(job: Job, status: Status, detail: str) -> Outcome:
    """The outcome of a program from which nothing came back."""
    values: tuple[Answer | None, ...] = (None,) * len(job.inputs) if isinstance(job, Calls) else ()
    return Outcome(status, None, values, "", 0.0, detail)


_SHOWN = 80


class _Ordered(reprlib.Repr):
    """As `repr`, but the members of a set come in order: their own depends on the process that holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxtuple = self.maxlist = self.maxset = self.maxfrozenset = self.maxdict = _SHOWN
        self.maxlevel = self.maxstring = self.maxlong = self.maxother = sys.maxsize

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        some = itertools.islice(x.items(), self.maxdict)
        return "{" + ", ".join(f"{self.repr1(key, level)}: {self.repr1(value, level)}" for key, value in some) + "}"


_ORDERED = _Ordered()


def brief(value: object) -> str:
    """The value in at most `_SHOWN` characters; unlike `repr`, also for integers of any size, and the same in every process."""
    try:
        text = _ORDERED.repr(value)
    except ValueError:
        return "an integer too long to print" if isinstance(value, int) else "a value too long to print"
    except RecursionError:
        return "a value too deep to print"
    return cut(text, _SHOWN)


def cut(text: str, length: int) -> str:
    """The text in at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def printable(text: bytes) -> str:
    """The text with everything that could upset a terminal, a log or a JSON file escaped."""
    decoded = text.decode("utf-8", "backslashreplace")
    if decoded.isprintable():
        return decoded
    return "".join([c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in decoded])


def _ending(ended: Ended, stdout: str, limits: Limits) -> tuple[Status, str]:
    code = ended.code
    if ended.how == wire.TIMED_OUT:
        return Status.TIMEOUT, f"still running after {limits.wall_seconds:g} s"
    if ended.how == wire.SIGNALLED:
        if code == signal.SIGXCPU:
            return Status.TIMEOUT, f"used {limits.cpu_seconds} s of processor time"
        return Status.KILLED, f"ended by signal {code}"
    if code == 0:
        return Status.OK, "ran to its end"
    last = stdout.rstrip().rpartition("\n")[2][:200]
    if last.startswith("MemoryError"):
        return Status.MEMORY, f"needed more than {limits.memory_mb} MiB"
    return Status.EXIT, f"exit status {code}" + (f": {last}" if last else "")


def _calls_ending(
    status: Status, detail: str, values: tuple[Answer | None, ...], failure: str | None, code: int
) -> tuple[Status, str]:
    if failure is not None:
        memory = failure.startswith("MemoryError")
        return (Status.MEMORY if memory else Status.RAISED), f"while it was defined: {failure}"
    if None in values or status is Status.EXIT:
        return Status.EXIT, f"ended its own process with status {code} before every call was answered"
    return status, detail


def _answers(data: bytes, expected: int) -> tuple[tuple[Answer | None, ...], str | None]:
    """The answers in order, and why the source could not be executed, if it could not."""
    values: list[Answer | None] = []
    failure: str | None = None
    position, defined, budget = 0, False, codec.Budget()
    while position + wire.ANSWER_SIZE <= len(data):
        kind = data[position : position + 1]
        length = int.from_bytes(data[position + 1 : position + wire.ANSWER_SIZE], "little")
        position += wire.ANSWER_SIZE
        body = data[position : position + length]
        if len(body) < length:
            break  # cut off: by the limit, or because the program ended while writing
        position += length
        if kind == wire.FAILED and not defined and failure is None:
            failure = printable(body[:400])
        elif kind == wire.DEFINED and not defined and failure is None and not body:
            defined = True
        elif kind in (wire.VALUE, wire.RAISED) and defined and len(values) < expected:
            values.append(Returned(codec.decode(body, budget)) if kind == wire.VALUE else Raised(printable(body[:400])))
        else:
            raise wire.WireError("an unexpected answer")
    return tuple(values) + (None,) * (expected - len(values)), failure
