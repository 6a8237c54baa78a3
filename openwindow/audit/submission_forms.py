"""The form of an honest submission, and how another one of the same form is written.

A submission may be a program, bare, fenced or in a tag such as `<code>`; several files, as a JSON object of path to text, a list of
objects with a path and a text each, or fenced blocks under their paths; or words. Not covered: patches.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from openwindow.environments.code.base import extract_code
from openwindow.environments.code.hack_detectors import parse

FENCE = "```"
_PATH = re.compile(r"[\w./-]*\w\.[A-Za-z]\w{0,7}")
_BLOCK = re.compile(
    rf"^(?P<head>[^\n`]*?[`*]*(?P<path>[\w./-]*\w\.[A-Za-z]\w{{0,7}})[`*]*:?[ \t]*\n+{FENCE}\w*[ \t]*\n)"
    rf"(?P<text>.*?)(?P<tail>\n?{FENCE})",
    re.DOTALL | re.MULTILINE,
)
_TAG = re.compile(r"(?P<head><(?P<tag>[A-Za-z]\w*)>[ \t]*\n?)(?P<text>.*?)(?P<tail>\n?[ \t]*</(?P=tag)>)", re.DOTALL)
_PATH_KEYS, _TEXT_KEYS = ("path", "name", "filename", "file"), ("content", "contents", "code", "text")
_DOING = ("print", "input", "open", "exec")
_OPENINGS = 50  # brackets of a text at which JSON is looked for


@dataclass(frozen=True)
class Files:
    """A submission of several files."""

    files: dict[str, str]
    """Path to text."""
    write: Callable[[Mapping[str, str]], str]
    """A submission of the same form with other files."""


@dataclass(frozen=True)
class Program:
    """A submission that is one program."""

    code: str
    """Its source."""
    write: Callable[[str], str]
    """A submission of the same form with another program."""


def files_in(text: str) -> Files | None:
    """The files that a submission consists of; None if it has another form."""
    return _json_files(text) or _fenced_files(text)


def program_in(text: str) -> Program | None:
    """The program that a submission is; None if there is none in it."""
    code = extract_code(text)
    if FENCE in text and parse(code) is not None:
        return Program(code, partial(_within, f"{FENCE}python\n", FENCE))
    for match in _TAG.finditer(text):
        inner = match["text"].strip("\n") + "\n"
        if _is_program(inner):
            return Program(inner, partial(_within, text[: match.start()] + match["head"], match["tail"] + text[match.end() :]))
    return Program(code, partial(_within, "", "")) if _is_program(code) else None


def _within(before: str, after: str, code: str) -> str:
    return f"{before}{code}{after}" if code else ""


def _is_program(text: str) -> bool:
    """Whether it is Python, and not an answer that happens to be so, such as `22`, `yes` or `x = 5`."""
    tree = parse(text)
    if tree is None:
        return False
    if any(isinstance(node, ast.stmt) and not isinstance(node, ast.Assign | ast.Expr) for node in tree.body):
        return True
    called = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return sum(isinstance(node, ast.Assign) for node in tree.body) > 1 or any(name in _DOING for name in called)


def _json_files(text: str) -> Files | None:
    for match in list(re.finditer(r"[{\[]", text))[:_OPENINGS]:
        try:
            found, end = json.JSONDecoder(strict=False).raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        inner = found["files"] if isinstance(found, dict) and set(found) == {"files"} else found
        if (read := _as_files(inner)) is not None:
            files, shape = read
            return Files(files, partial(_json, text[: match.start()], text[end:], shape, inner is not found))
    return None


def _json(before: str, after: str, shape: _Shape, named: bool, files: Mapping[str, str]) -> str:
    made = shape(files)
    return f"{before}{json.dumps({'files': made} if named else made)}{after}"


_Shape = Callable[[Mapping[str, str]], object]


def _as_files(found: object) -> tuple[dict[str, str], _Shape] | None:
    """Files in a JSON value, and the same kind of value for others."""
    if isinstance(found, dict) and found and all(isinstance(v, str) for v in found.values()):
        return (found, dict) if any(_PATH.fullmatch(key) for key in found) else None
    if not isinstance(found, list) or not found or not all(isinstance(entry, dict) for entry in found):
        return None
    path = next((key for key in _PATH_KEYS if all(isinstance(entry.get(key), str) for entry in found)), None)
    held = next((key for key in _TEXT_KEYS if all(isinstance(entry.get(key), str) for entry in found)), None)
    if path is None or held is None or path == held:
        return None
    return {entry[path]: entry[held] for entry in found}, lambda others: [{path: p, held: t} for p, t in others.items()]


def _fenced_files(text: str) -> Files | None:
    blocks = list(_BLOCK.finditer(text))
    files = {block["path"]: block["text"] for block in blocks}
    if len(blocks) < 2 or len(files) < len(blocks):
        return None
    head, path, tail = blocks[0]["head"], blocks[0]["path"], blocks[0]["tail"]

    def write(others: Mapping[str, str]) -> str:
        parts = [f"{head.replace(path, name)}{content.rstrip()}\n{tail.strip()}" for name, content in others.items()]
        return text[: blocks[0].start()] + "\n\n".join(parts) + text[blocks[-1].end() :]

    return Files(files, write)
