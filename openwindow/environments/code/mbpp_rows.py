"""Reads MBPP's rows and makes problems and cases from their tests, without running any of them."""

from __future__ import annotations

import ast
import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openwindow.errors import DataError
from openwindow.files.bounded import is_folder, missing, parse_json, read_regular
from openwindow.types import Case, Problem

HUB = "google-research-datasets/mbpp"
FIELDS = {"task_id": int, "text": str, "code": str, "test_list": list}
_EXPECTED = "expected a row of MBPP with " + ", ".join(f"{field} ({kind.__name__})" for field, kind in FIELDS.items())


def read(path: Path | None) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, of a folder in the hub's layout or, for None, of the hub.

    Raises DataError if there is no such data, or if a row lacks one of `FIELDS`.
    """
    for where, row in _from_hub(path) if path is None or is_folder(path) else _from_file(path):
        if not isinstance(row, dict):
            raise DataError(f"{where} is {row!r:.40}: {_EXPECTED}")
        for field, kind in FIELDS.items():
            if not isinstance(row.get(field), kind):
                raise DataError(f"{where} has {field} = {row.get(field)!r:.40}: {_EXPECTED}")
        yield row


def check(path: Path) -> None:
    """Refuses a path without MBPP before anything slow begins. Raises DataError.

    A file is read to the end, which takes a moment; for a folder in the hub's layout only its existence is checked.
    """
    if not path.is_dir() and not sum(1 for _ in read(path)):
        raise DataError(f"{path} holds no task: {_EXPECTED} on each line")


def _from_file(path: Path) -> Iterator[tuple[str, Any]]:
    if missing(path):
        raise DataError(f"{path} does not exist: expected MBPP as a JSONL file or a folder in the hub's layout")
    lines = read_regular(path, expected="MBPP as a JSONL file or a folder in the hub's layout").splitlines()
    for number, line in enumerate(lines, 1):
        where = f"{path} line {number}"
        yield where, parse_json(line, name=where, expected="one task per line")


def _from_hub(folder: Path | None) -> Iterator[tuple[str, Any]]:
    try:
        import datasets
    except ImportError:
        raise DataError(
            "the library `datasets`, which reads MBPP from the hub or a folder, is not installed: "
            'pip install "openwindow[hub]", or give the path of a JSONL file'
        ) from None
    try:
        parts = datasets.load_dataset(HUB, "full") if folder is None else datasets.load_dataset(str(folder))
    except Exception as error:  # the hub, the network, the cache and the file formats raise errors of their own
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{folder or HUB} could not be loaded ({type(error).__name__}: {reason}): "
            "expected MBPP there; check the network or the folder, or give the path of a JSONL file"
        ) from None
    for part in parts:
        for number, row in enumerate(parts[part]):
            yield f"{folder or HUB}, split {part!r}, row {number}", row


def parse(row: dict[str, Any]) -> tuple[Problem, list[Case]]:
    """The problem, and all cases of its tests, the visible one first. Raises ValueError that says why it cannot be used."""
    if str(row.get("test_setup_code") or "").strip():
        raise ValueError("its tests need set-up code")
    tests = [_case(str(test)) for test in row["test_list"]]
    if not tests:
        raise ValueError("it has no tests")
    for test in row.get("challenge_test_list") or []:
        with contextlib.suppress(ValueError):  # the usable ones are used
            tests.append(_case(test))
    code = str(row["code"]).replace("\r\n", "\n")
    name = tests[0][0]
    if any(other != name for other, _ in tests):
        raise ValueError("its tests call different functions")
    cases = [case for _, case in tests]
    longest = max(len(case.args) for case in cases)
    functions = [node for node in _tree(code) if isinstance(node, ast.FunctionDef) and node.name == name]
    if len(functions) != 1 or not 0 < longest <= len(functions[0].args.args):
        raise ValueError("its solution is not one function with the arguments of its tests")
    id = f"mbpp/{row['task_id']}"
    return Problem(id, f"mbpp-{row['task_id']}", str(row["text"]).strip(), name, code, (cases[0],)), cases


def _case(test: str) -> tuple[str, Case]:
    """The function and the case of `assert f(literals) == literal`."""
    match _tree(test.strip()):
        case [ast.Assert(test=ast.Compare(ast.Call(ast.Name(name), args, []), [ast.Eq()], [expected]))]:
            try:
                return name, Case(tuple(ast.literal_eval(arg) for arg in args), ast.literal_eval(expected))
            except (ValueError, TypeError, RecursionError, MemoryError):
                pass
    raise ValueError("its tests are not of the form `assert f(literals) == literal`")


def _tree(code: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in the data
            return ast.parse(code).body
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("its solution or its tests are not Python") from None
