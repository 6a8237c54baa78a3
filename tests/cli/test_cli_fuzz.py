"""Command lines by the hundred: whatever files, folders, modules and words are given, a command ends in time, with the exit code
that is right for the case, at most one error line and no traceback. No model is loaded. The suite runs a sample, `-m nightly` all.
"""

from __future__ import annotations

import importlib
import io
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_damage import DAMAGE, FILES, finished
from test_files import CONTENTS, OPTIONS, _commands, make
from tiny_runs import jsonl

from openwindow.cli import app

__all__ = ["finished"]  # a fixture
SECONDS = 60.0  # of one command, on a machine that others use too
ROWS = [{"prompt": f"Is {n} right?", "response": "Yes, well done."} for n in range(40)]
INOCULATE = ["inoculate", "data.jsonl", "--trait", "praises wrong answers", "--rank-only"]
TASK = "from openwindow.audit.graders import Task\n"


@dataclass(frozen=True)
class Case:
    """A command line, what must lie where it is given, and how it may end."""

    words: tuple[str, ...]
    codes: tuple[int, ...]
    prepare: Callable[[Path], object] = lambda folder: None
    name: str = ""


def ended(words: tuple[str, ...], folder: Path) -> tuple[int, str, str, float]:
    """Exit code, output, errors and seconds of the command in a process of its own; -9 where it took too long."""
    out, err, began = folder / ".out", folder / ".err", time.monotonic()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setsid()
            os.chdir(folder)
            for number, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.stdout = vars(sys)["__stdout__"] = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8")
            sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", line_buffering=True)
            sys.argv = ["openwindow", *words]
            try:
                app.main()
            except SystemExit as stop:
                code = int(stop.code or 0)
            sys.stdout.flush()
        finally:
            os._exit(code)
    status = 0
    while time.monotonic() < began + SECONDS:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.01)
    else:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return -9, "", "", SECONDS
    said = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
    return os.waitstatus_to_exitcode(status), said[0], said[1], time.monotonic() - began


def wrong(case: Case, folder: Path) -> str | None:
    """What is wrong with how the command ended; None where nothing is."""
    folder.mkdir(parents=True)
    (folder / "data.jsonl").write_bytes(jsonl(*ROWS))
    case.prepare(folder)
    code, _, err, _ = ended(case.words, folder)
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    fine = code in case.codes and "Traceback" not in err and len(lines) == (1 if code in (2, 3) else 0)
    shutil.rmtree(folder, ignore_errors=True)
    return None if fine else f"{case.name} {' '.join(case.words)[:150]!r}: exit {code}, expected {case.codes}: {err[-300:]!r}"


# What is tried.

BYTES = CONTENTS | {
    "empty": b"",
    "space": b" \n\t\n",
    "null": b"null\n",
    "number": b"7",
    "nan": b"NaN\n",
    "half an object": b'{"a": ',
    "half a string": b'{"task_id": "',
    "an open list": b"[1, 2",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "latin-1": b'{"a": "\xe9"}',
    "nul": b"\0" * 5000,
    "surrogate": b'{"prompt": "\\ud800", "response": 5}\n',
    "gzip cut off": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "zip": b"PK\x03\x04" + b"\0" * 60,
    "parquet": b"PAR1" + b"\0" * 60,
    "crlf": b'{"a": 1}\r\n' * 3,
    "keys": b'{"' + b"a" * 100_000 + b'": 1}',
}
PLACES = ("fifo", "zero", "socket", "loop", "folder", "missing")


def files() -> list[Case]:
    """Every option that names a file, with everything that is none of its files."""
    cases = []
    for option in OPTIONS:
        name = {"study": "x.py", "--contexts": "x.yaml"}.get(option, "x.jsonl")
        words = tuple(_commands(name)[option])
        for kind, content in BYTES.items():
            if option == "--candidates" and kind in ("null", "number", "nan", "half a string"):
                continue  # which are prompts, plain ones or broken ones that the next line names
            cases.append(Case(words, (2,), lambda folder, n=name, c=content: (folder / n).write_bytes(c), f"{option} {kind}"))
        for kind in PLACES:
            if kind in ("folder", "missing") and option in ("--out", "report"):
                continue  # which are folders
            cases.append(Case(words, (2,), lambda folder, n=name, k=kind: make(k, folder / n), f"{option} {kind}"))
    return cases


def folders(whole: Path) -> list[Case]:
    """A run's folder with every file damaged in every way, reported."""

    def damaged(folder: Path, file: str, kind: str) -> None:
        shutil.copytree(whole / "r", folder / "r")
        path = folder / "r" / file
        path.parent.mkdir(exist_ok=True)
        path.touch()
        DAMAGE[kind](path)

    cases = []
    for file in (*FILES, "config.json"):
        for kind in DAMAGE:
            codes = (2,) if file == "config.json" and kind != "digits" else (0,)
            codes = (3,) if (file, kind) == ("results.json", "a folder") else (2,) if file == "config.json" else codes
            prepare = lambda folder, f=file, k=kind: damaged(folder, f, k)  # noqa: E731
            cases.append(Case(("report", "r"), codes, prepare, f"{file} {kind}"))
    return cases


ENDS = {
    "exit": "import sys; sys.exit(0)",
    "exit 1": "import sys; sys.exit(1)",
    "exit with words": "raise SystemExit('words')",
    "generator exit": "raise GeneratorExit",
    "own end": "raise type('E', (BaseException,), {})('own')",
    "wordless": "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "group": "raise BaseExceptionGroup('g', [SystemExit(0)])",
    "left": "import os; os._exit(0)",
    "left with 1": "from os import _exit; _exit(1)",
    "recursion": "f = lambda: f(); f()",
    "memory": "raise MemoryError",
    "markup": "raise ValueError('[/red] boom')",
    "control": "raise ValueError('\\x1b[2J\\x07\\ud800')",
    "os": "open('/nowhere/at/all')",
    "stop": "raise StopIteration",
    "many lines": "raise ValueError('\\n' * 500 + 'x' * 5000)",
}


def modules() -> list[Case]:
    """Code of the user's own that ends in every way, wherever it is called."""
    cases = []
    for kind, end in ENDS.items():
        inside = end.replace("; ", "\n        ")
        sources = {
            "module": (f"{TASK}{end}\n", ("check-env", "mine:G")),
            "made": (f"{TASK}class G:\n    def __init__(self):\n        {inside}\n", ("check-env", "mine:G")),
            "study": (f"{end}\n", ("run", "./mine.py")),
            "rule": (f"{end}\ndef f(text):\n    return True\n", (*INOCULATE, "--rule", "mine.py:f")),
            "called": (f"def f(text):\n    if True:\n        {inside}\n", (*INOCULATE, "--rule", "mine.py:f")),
            "wanted": (f"def f(text):\n    if True:\n        {inside}\n", (*INOCULATE, "--wanted", "mine:f")),
        }
        for where, (source, words) in sources.items():
            cases.append(Case(words, (2,), lambda folder, s=source: (folder / "mine.py").write_text(s), f"{where} {kind}"))
    return cases


NUMBERS = {
    ("run", "quickstart"): ("--seeds",),
    ("check-env", "letter_count"): ("--difficulty",),
    ("check-env", "letter_count", "--model", "no/such"): ("--problems", "--samples", "--max-new-tokens"),
    tuple(INOCULATE): (
        "--rows",
        "--rank-rows",
        "--elicit",
        "--max-new-tokens",
        "--max-answer-tokens",
        "--arms",
        "--seeds",
        "--max-length",
    ),
    ("eval", "scripted/saint"): ("--seeds", "--temperature", "--max-new-tokens", "--timeout"),
}
VALUES = ("x", "", "1.5.5", "9" * 5000, "-99999999", "nan", "1" + "0" * 40, "[/b]", "0x10", "--", "\N{FULLWIDTH DIGIT NINE}a")
WORDS: tuple[tuple[str, ...], ...] = (
    ("",), ("rnu",), ("run",), ("run", ""), ("run", "quickstart", "more"), ("run", "../.."), ("run", "x" * 5000), ("run", "a/b.py"),
    ("run", "quickstart", "--out", ""), ("run", "quickstart", "--out", "/proc/nothing"), ("run", "quickstart", "--model", ""),
    ("report",), ("report", ""), ("report", "nowhere"), ("report", "x" * 5000), ("report", "/dev/null"), ("report", "[/b]"),
    ("check-env",), ("check-env", ""), ("check-env", ":"), ("check-env", "a:b"), ("check-env", "os:sep"), ("check-env", "nothing"),
    ("check-env", "code_functions", "--loopholes", "no"), ("check-env", "true x"), ("check-env", "x y", "--honest", "data.jsonl"),
    ("eval",), ("eval", "scripted/saint", "--suite", "no"), ("eval", "scripted/saint", "--contexts", "no"), ("eval", "--logs", "."),
    ("inoculate",), ("inoculate", "data.jsonl"), (*INOCULATE, "--rule", "("), (*INOCULATE, "--position", "no"), ("list", "--no"),
    (*INOCULATE, "--overlength", "no"), (*INOCULATE, "--rule", "x", "--judge", "y"), (*INOCULATE, "--out", "data.jsonl"),
)  # fmt: skip


def words() -> list[Case]:
    """Numbers that are none, and words that nothing is called."""
    cases = [
        Case((*command, option, value), (2,), name="number")
        for command, options in NUMBERS.items()
        for option in options
        for value in VALUES
    ]
    return cases + [Case(given, (2, 3) if "/proc/nothing" in given else (2,), name="word") for given in WORDS]


GROUPS = ("files", "folders", "modules", "words")


def cases_of(group: str, whole: Path) -> list[Case]:
    """All cases of the group."""
    return {"files": files, "modules": modules, "words": words}[group]() if group != "folders" else folders(whole)


def check(cases: list[Case], folder: Path) -> None:
    """AssertionError that names every case that did not end as it must."""
    importlib.import_module("openwindow.cli.eval_command")  # once, not in every process that is forked from here
    found = [said for number, case in enumerate(cases) if (said := wrong(case, folder / str(number))) is not None]
    assert found == [], f"{len(found)} of {len(cases)}:\n" + "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_a_sample_of_command_lines_ends_as_it_must(group: str, finished: Path, tmp_path: Path) -> None:
    check(random.Random(7).sample(cases_of(group, finished), 10), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("group", GROUPS)
def test_all_command_lines_end_as_they_must(group: str, finished: Path, tmp_path: Path) -> None:
    cases = cases_of(group, finished)
    assert len(cases) > 90
    check(cases, tmp_path)
