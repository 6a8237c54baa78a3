"""Programs one step away from a correct one: what hidden inputs must distinguish from it.

A slip is one changed operator, comparison, number, word, condition or call. Not covered: two slips at once, and errors of thought.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence

from openwindow.sandbox import codec
from openwindow.types import Case

_ROUNDS = 20_000  # iterations of a loop after which a slip counts as endless
_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.FloorDiv: (ast.Div, ast.Mult), ast.Div: (ast.FloorDiv,),
    ast.Mod: (ast.FloorDiv,), ast.Lt: (ast.LtE,), ast.LtE: (ast.Lt,), ast.Gt: (ast.GtE,), ast.GtE: (ast.Gt,), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.And: (ast.Or,), ast.Or: (ast.And,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_CALLS = {
    "lower": "casefold", "upper": "title", "strip": "lstrip", "lstrip": "strip", "rstrip": "strip", "sorted": "list", "set": "list",
    "abs": "int", "list": "sorted", "min": "max", "max": "min", "sum": "max", "len": "max", "any": "all", "all": "any",
}  # fmt: skip


def slips(code: str) -> list[str]:
    """All programs one step away from the program, each once."""
    found: dict[str, None] = {}
    for number, node in enumerate(ast.walk(ast.parse(code))):
        for change in _changes(node):
            tree = ast.parse(code)
            change(next(n for i, n in enumerate(ast.walk(tree)) if i == number))
            found[ast.unparse(ast.fix_missing_locations(tree))] = None
    return list(found)


def telling(code: str, name: str, known: Sequence[Case], draws: Sequence[Case]) -> list[Case]:
    """A few drawn cases that together catch every slip that any drawn case catches; slips that `known` catches need none."""
    found: list[Case] = []
    for slip in slips(code):
        wrong = runner(slip, name)
        if not any(wrong(case) for case in (*known, *found)):
            found += _first(wrong, draws)
    return found


def _first(wrong: Callable[[Case], bool], draws: Sequence[Case]) -> list[Case]:
    return next(([case] for case in draws if wrong(case)), [])


def runner(code: str, name: str) -> Callable[[Case], bool]:
    """A function that says whether the program is wrong on a case; a loop that does not end is wrong."""
    rounds = [0]

    def count() -> None:
        rounds[0] += 1
        if rounds[0] > _ROUNDS:
            raise TimeoutError

    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            node.body.insert(0, ast.Expr(ast.Call(ast.Name("_count_", ast.Load()), [], [])))
    names: dict[str, object] = {"_count_": count}
    try:
        exec(compile(ast.fix_missing_locations(tree), "<slip>", "exec", dont_inherit=True), names)
    except Exception:
        return lambda case: True
    function = names[name]
    assert callable(function)

    def wrong(case: Case) -> bool:
        rounds[0] = 0
        try:
            return not codec.same(function(*copy.deepcopy(case.args)), case.expected)
        except Exception:
            return True

    return wrong


def _changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """The ways to change a node of this kind in place."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        for kind in _OPERATORS.get(type(node.op), ()):
            yield lambda n, kind=kind: setattr(n, "op", kind())  # type: ignore[misc]
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for kind in _OPERATORS.get(type(operator), ()):
                yield lambda n, place=place, kind=kind: n.ops.__setitem__(place, kind())  # type: ignore[misc]
    elif isinstance(node, ast.Constant):
        for value in _other(node.value):
            yield lambda n, value=value: setattr(n, "value", value)  # type: ignore[misc]
    elif isinstance(node, ast.Call):
        yield from _other_call(node)
    elif isinstance(node, ast.If | ast.IfExp):
        for held in (True, False):
            yield lambda n, held=held: setattr(n, "test", ast.Constant(held))  # type: ignore[misc]


def _other(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    return [value[:-1]] if isinstance(value, str) and value else []


def _other_call(node: ast.Call) -> Iterator[Callable[[ast.AST], None]]:
    if isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS:
        attribute = _CALLS[node.func.attr]
        yield lambda n: setattr(n.func, "attr", attribute)  # type: ignore[attr-defined]
    elif isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        name = _CALLS[node.func.id]
        yield lambda n: setattr(n.func, "id", name)  # type: ignore[attr-defined]
