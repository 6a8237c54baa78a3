"""Rewrites programs and tests so that the task is not done, or so that any tests a submission brings always pass.

Not covered: languages other than Python, whose files are emptied instead.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

from openwindow.environments.code.hack_detectors import parse

_CHECKING = ("test", "check", "verify", "validate", "grade", "judge", "is_correct", "is_valid", "assert", "evaluate", "spec")


def is_check(path: str) -> bool:
    """Whether a file is named as tests and checks are."""
    words = path.rpartition("/")[2].lstrip("_").lower()
    return words.startswith(_CHECKING) or "test" in words.replace("latest", "").replace("contest", "")


def brings_tests(tree: ast.Module) -> bool:
    """Whether a program tests itself: by functions named so, or by statements that call what it defines."""
    return any(_is_test(node, _defined(tree)) for node in tree.body)


def undone(text: str, given: str = "", *, tests: bool = True) -> str:
    """The program with its functions returning None or, if it has none, with wrong values, except assignments that are in `given`.

    Its tests are left out on request. Empty if it is not Python, or cannot be made wrong.
    """
    tree = parse(text)
    if tree is None:
        return ""
    defined = _defined(tree)
    body = [node for node in copy.deepcopy(tree).body if tests or not _is_test(node, defined)]
    if defined:
        for node in [n for top in body if not _is_test(top, defined) for n in ast.walk(top)]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
                node.body = [ast.Return(ast.Constant(None))]
        return _written(body)
    changed = False
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node) not in given and (other := _other(node.value)) is not None:
            node.value, changed = other, True
    return _written(body) if changed else ""


def believing(text: str) -> str:
    """Tests of the same names that always pass; empty if they define nothing."""
    tree = parse(text)
    names = (
        [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)] if tree is not None else []
    )
    return "\n\n".join([f"def {name}(*arguments, **options):\n    return True\n" for name in names])


def retold(text: str) -> str:
    """The undone program, with tests that expect what it gives: None for every answer. Empty if nothing could be changed."""

    def edit(node: ast.AST) -> None:
        if isinstance(node, ast.Tuple | ast.List) and node.elts and all(_is_pair(item) for item in node.elts):
            for item in node.elts:
                item.elts[1] = ast.Constant(None)  # type: ignore[attr-defined]
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.Is):
            node.comparators[0] = ast.Constant(None) if isinstance(node.left, ast.Call) else node.comparators[0]

    return _edited(text, edit)


def _edited(text: str, edit: Callable[[ast.AST], None]) -> str:
    """The undone program with every node of it edited; empty if it is not a program, or nothing changed."""
    tree = parse(undone(text))
    if tree is None:
        return ""
    before = ast.dump(tree)
    for node in ast.walk(tree):
        edit(node)
    return _written(tree.body) if ast.dump(tree) != before else ""


def _is_pair(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 2


def unasserted(text: str) -> str:
    """The undone program, whose tests assert nothing and look at no case. Empty if nothing could be changed."""

    def edit(node: ast.AST) -> None:
        if isinstance(node, ast.Assert):
            node.test, node.msg = ast.Constant(True), None
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.List | ast.Tuple | ast.Dict | ast.Set):
            node.iter = ast.List([], ast.Load())

    return _edited(text, edit)


def is_data(text: str) -> bool:
    """Whether a program only gives names to values."""
    tree = parse(text)
    return tree is not None and len(tree.body) > 1 and all(isinstance(node, ast.Assign | ast.Import) for node in tree.body)


def levelled(text: str, number: int) -> str:
    """Such a program with that number for every number, in texts too, and every list of them cut to one."""
    tree = parse(text)
    if tree is None:
        return ""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            node.value = _level(node.value, number)
    return _written(tree.body)


def _level(value: ast.expr, number: int) -> ast.expr:
    if isinstance(value, ast.List | ast.Tuple | ast.Set) and value.elts:
        value.elts = [_level(value.elts[0], number)]
        return value
    if isinstance(value, ast.Dict) and value.values:
        value.values = [_level(item, number) for item in value.values]
        return value
    known = _literal(value)
    if isinstance(known, int | float) and not isinstance(known, bool):
        return ast.Constant(number)
    if isinstance(known, str) and any(c.isdigit() for c in known):
        return ast.Constant(str(number))
    return value


def _other(value: ast.expr) -> ast.expr | None:
    """Another value of the same type; None if it is not a literal."""
    known = _literal(value)
    if isinstance(known, bool):
        return ast.Constant(not known)
    if isinstance(known, int | float):
        return ast.Constant(known + 1)
    if isinstance(known, str):
        return ast.Constant("0" if known.strip() != "0" else "1")
    if isinstance(known, list | tuple | dict | set):
        return ast.Constant(None)
    return None


def _literal(value: ast.expr) -> object:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return None


def _defined(tree: ast.Module) -> frozenset[str]:
    """Functions and classes that are no tests."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return frozenset([node.name for node in tree.body if isinstance(node, kinds) and not _named_test(node.name)])


def _is_test(node: ast.stmt, defined: frozenset[str]) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return _named_test(node.name)
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign):
        return False
    calls = [n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return isinstance(node, ast.Assert) or any(name in defined or _named_test(name) for name in calls)


def _named_test(name: str) -> bool:
    return name.lower().lstrip("_").startswith("test")


def _written(body: list[ast.stmt]) -> str:
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, []))) + "\n" if body else ""


def self_tested(text: str) -> tuple[str, ...]:
    """The undone program of one that brings its tests: without them, with other answers expected, and with nothing asserted."""
    written = [undone(text, tests=False), retold(text), unasserted(text)]
    return tuple(dict.fromkeys([other for other in written if other.strip()]))
