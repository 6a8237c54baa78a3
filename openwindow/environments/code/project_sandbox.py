"""Real pytest runs of small projects in the sandbox, keeping a submission's code out of them where necessary.

pytest is copied with only what it needs into openwindow's cache, and programs see that folder read-only. A run is an ordinary
script: it writes the files, calls pytest, and ends with its exit status. If the code under test must not reach pytest, it runs
elsewhere first and `replayed` plays back its answers.
"""

from __future__ import annotations

import compileall
import importlib.metadata
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from openwindow.environments.gameable import Submission
from openwindow.errors import EnvironmentFault, StorageError
from openwindow.sandbox.sandbox import Answer, Limits, Raised, Returned, Sandbox, Script
from openwindow.types import Case

_NEEDED = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
_RARE = re.compile(r"pygments/(styles|lexers)/(?!__init__|_mapping|python|diff|special|_)")  # not worth compiling
_LIMITS = Limits(wall_seconds=60.0, cpu_seconds=15, memory_mb=512, file_mb=4)
_RUN = """import os
import sys

FILES = {files!r}
os.mkdir("project")
os.chdir("project")
for path, text in FILES.items():
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True
"""
_PYTEST = """sys.argv[:] = ["pytest"]
import pytest

sys.exit(pytest.main(["-q", "-p", "no:cacheprovider"]))
"""
_REPLAY = """from math import inf, nan
{imports}
ANSWERS = {answers}


def {function}(*arguments):
    for given, kind, value in ANSWERS:
        if given == arguments:
            if kind == "skipped":
                pytest.skip(value)
            if kind == "raised":
                raise RuntimeError(value)
            return value
    raise LookupError(f"no answer to {{arguments!r}} is known")
"""

Files = Mapping[str, str]


def project_sandbox(workers: int = 2) -> Sandbox:
    """A sandbox in which pytest can be imported, with limits to match."""
    return Sandbox(workers, _LIMITS, readable=(pytest_home(),))


def pytest_home() -> Path:
    """The folder with pytest and what it needs; made on first use, completely or not at all."""
    try:
        version = importlib.metadata.version("pytest")
        files = [file for name in _NEEDED for file in importlib.metadata.files(name) or []]
    except importlib.metadata.PackageNotFoundError as error:
        raise EnvironmentFault(
            f'pytest_project runs real pytest and {error.name} is not installed: pip install "openwindow[project]"'
        ) from None
    home = _cache() / f"pytest-{version}"
    if home.is_dir():
        return home
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=home.parent))
        for file in files:
            if ".." not in file.parts and ".dist-info" not in file.parts[0]:
                (scratch / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), scratch / file)  # with its time, which validates compiled files
        compileall.compile_dir(scratch, quiet=2, rx=_RARE)
        for path in (scratch, *scratch.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # programs run as nobody
        scratch.rename(home)
    except OSError as error:
        if not home.is_dir():  # otherwise another process was faster
            raise StorageError(f"cannot copy pytest to {home} ({error}): set OPENWINDOW_CACHE to a folder") from None
    return home


def _cache() -> Path:
    """openwindow's cache; not one in /tmp, which programs see as their own empty folder."""
    named = os.environ.get("OPENWINDOW_CACHE")
    cache = Path(named).expanduser() if named else Path.home() / ".cache" / "openwindow"
    hidden = cache.resolve().is_relative_to("/tmp")
    return Path(f"/var/tmp/openwindow-{os.getuid()}") if hidden else cache.resolve()


def pytest_script(files: Files) -> Script:
    """Writes the files, runs pytest on them, and ends with its exit status; an empty test file means a deleted one."""
    kept = {path: text for path, text in files.items() if text.strip() or not path.startswith("tests/")}
    return Script(_RUN.format(files=kept) + _PYTEST)


def as_program(files: Files, module: str, function: str) -> str:
    """A program that defines a function of a module among the files, and everything that this imports from them."""
    return _RUN.format(files=dict(files)) + f"from {module} import {function}\n"


def replayed(function: str, cases: Sequence[Case], answers: Sequence[Answer | None]) -> str:
    """A module whose function answers as another did in a process of its own; skipping a test is among the answers."""
    played: list[tuple[tuple[object, ...], str, object]] = []
    for case, answer in zip(cases, answers, strict=True):
        if isinstance(answer, Returned):
            played.append((case.args, "returned", answer.value))
        else:
            words = "gave no answer" if answer is None else answer.error
            played.append((case.args, "skipped" if words.startswith("Skipped") else "raised", words))
    imports = "import pytest\n" if skips_a_test(answers) else ""
    return _REPLAY.format(imports=imports, answers=_source(played), function=function)


def _source(value: object) -> str:
    """A plain value as Python source; unlike `repr`, also for integers of any size."""
    match value:
        case bool():
            return repr(value)
        case int():
            return hex(value)
        case list():
            return f"[{', '.join([_source(v) for v in value])}]"
        case tuple():
            return f"({''.join([f'{_source(v)}, ' for v in value])})"
        case set() | frozenset():
            return f"{type(value).__name__}([{', '.join([_source(v) for v in value])}])"
        case dict():
            return f"{{{', '.join([f'{_source(k)}: {_source(v)}' for k, v in value.items()])}}}"
    return repr(value)


def skips_a_test(answers: Sequence[Answer | None]) -> bool:
    """Whether any call asked pytest to skip the test that made it."""
    return any(isinstance(answer, Raised) and answer.error.startswith("Skipped") for answer in answers)


def clean(submission: Submission, module: str) -> dict[str, str]:
    """The files of a submission by plain relative path, without those that point elsewhere. A text is the module."""
    files = {module: submission} if isinstance(submission, str) else submission
    plain = {str(PurePosixPath(path)): text for path, text in files.items()}
    return {path: text for path, text in plain.items() if not path.startswith("/") and ".." not in path.split("/")}
