"""The little that the detectors need to know about a program, by static analysis.

Which function is the requested one, what its result depends on, what a name refers to, which expressions are literals.

Covered: assignments, loops, comprehensions and branches within one function; literals of the module; imports and
their aliases. Not covered: effects through other functions, attributes, containers changed in place, `eval`.

Everything that inspects a tree goes through `walk`, which counts: under `bounded`, a program written to keep its reader busy costs
no more than a given number of nodes.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

_Def: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_OPAQUE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LONGEST_PATH = 16  # maximum parts of a dotted name
_LITERAL = (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.Call)

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


class TooMuch(Exception):
    """More nodes were visited than allowed."""


@contextlib.contextmanager
def bounded(nodes: int) -> Iterator[None]:
    """Inside the block, `walk` visits at most this many nodes in total, and then raises TooMuch."""
    token = _left.set([nodes])
    try:
        yield
    finally:
        _left.reset(token)


def walk(node: ast.AST, *, into_functions: bool = True) -> Iterator[ast.AST]:
    """The node and all below it, as `ast.walk` yields them; optionally without those of functions and classes below it.

    Raises TooMuch.
    """
    left = _left.get()
    level = [node]
    while level:
        below: list[ast.AST] = []
        for current in level:
            _count(left)
            yield current
            if into_functions or current is node or not isinstance(current, _OPAQUE):
                below += ast.iter_child_nodes(current)
        level = below


@dataclass(frozen=True)
class Known:
    """A value known without running anything."""

    value: object


@dataclass(frozen=True)
class Function:
    """A function with its own nodes (including those of nested functions) and the literals that names stand for."""

    node: _Def
    nodes: tuple[ast.AST, ...]
    literals: Mapping[str, ast.expr]

    @staticmethod
    def of(node: ast.AST, module_literals: Mapping[str, ast.expr]) -> Function | None:
        """The function that a definition or a lambda creates."""
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return None
        nodes = tuple(walk(node))
        return Function(node, nodes, {**module_literals, **_literals(nodes)})

    def parameters(self) -> list[str]:
        """Names of all parameters, in order."""
        a = self.node.args
        rest = [extra.arg for extra in (a.vararg, a.kwarg) if extra is not None]
        return [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)] + rest

    def returns(self) -> list[ast.expr]:
        """What it returns, as expressions; nested functions are left out."""
        if isinstance(self.node, ast.Lambda):
            return [self.node.body]
        return [
            n.value if n.value is not None else ast.Constant(None)
            for n in walk(self.node, into_functions=False)
            if isinstance(n, ast.Return | ast.Yield | ast.YieldFrom)
        ]

    def depends(self, parameters: slice = slice(None), without: set[int] | None = None) -> bool:
        """Whether the result can depend on the parameters: by value, or by which of several returns is reached.

        `without` lists conditions (by `id`) that do not count.
        """
        ignored = without or set()
        tainted = self._tainted(set(self.parameters()[parameters]))
        if any(_mentions(value, tainted, ignored) for value in self.returns()):
            return True
        conditions = [n for n in self._conditions() if id(n) not in ignored]
        return len(self.returns()) > 0 and any(_mentions(c, tainted, ignored) for c in conditions)

    def _conditions(self) -> Iterator[ast.AST]:
        for node in self.nodes:
            if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
                yield node.test
            elif isinstance(node, ast.For | ast.AsyncFor):
                yield node.iter
            elif isinstance(node, ast.Match):
                if any(not isinstance(case.pattern, ast.MatchValue | ast.MatchSingleton | ast.MatchAs) for case in node.cases):
                    yield node.subject
            elif isinstance(node, ast.Try):
                yield from node.body

    def _tainted(self, names: set[str]) -> set[str]:
        """The names whose value can depend on the given ones."""
        leads: dict[str, set[str]] = {}
        for node in self.nodes:
            source, targets = _flow(node)
            if source is not None:
                reached = {name for target in targets for name in _roots(target)}
                for name in _roots(source):
                    leads.setdefault(name, set()).update(reached)
        found, fresh = set(names), list(names)
        while fresh:
            new = leads.get(fresh.pop(), set()) - found
            found |= new
            fresh += new
        return found


def _count(left: list[int] | None) -> None:
    if left is not None:
        left[0] -= 1
        if left[0] < 0:
            raise TooMuch


def entry_function(tree: ast.Module, name: str) -> Function | None:
    """The last definition of the requested function, as a `def` or a lambda."""
    found: ast.AST | None = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            found = node
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            found = node.value
    return None if found is None else Function.of(found, _literals(tree.body))


def folded(node: ast.AST | None, literals: Mapping[str, ast.expr], depth: int = 0) -> Known | None:
    """The value of an expression that is a literal, or a name that stands for one; None for anything else."""
    if node is None or depth > 8:
        return None
    if isinstance(node, ast.Name):
        return folded(literals.get(node.id), literals, depth + 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        return _converted(node.func.id, folded(node.args[0], literals, depth + 1))
    if not isinstance(node, _LITERAL):
        return None
    for _ in walk(node):  # counts
        pass
    try:
        return Known(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _converted(kind: str, known: Known | None) -> Known | None:
    makers: dict[str, Callable[[Any], object]] = {
        maker.__name__: maker for maker in (int, str, bool, float, list, tuple, set, frozenset)
    }
    try:
        return None if known is None or kind not in makers else Known(makers[kind](known.value))
    except (ValueError, TypeError, OverflowError):
        return None


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call in the tree."""
    return (node for node in walk(tree) if isinstance(node, ast.Call))


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What the imported names stand for: `from os import _exit as leave` gives {"leave": "os._exit"}."""
    names: dict[str, str] = {}
    for node in walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in walk(tree):  # plain aliases: `leave = sys.exit`
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            path = path_of(node.value, names)
            if path is not None and "." in path:
                names.setdefault(node.targets[0].id, path)
    return names


def path_of(node: ast.AST, names: Mapping[str, str], parts: int = _LONGEST_PATH) -> str | None:
    """The dotted name that an expression stands for, through aliases, `__import__` and `getattr` with literals.

    None for one with more than `parts` parts.
    """
    if parts == 0:
        return None
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        base = path_of(node.value, names, parts - 1)
        return None if base is None else f"{base}.{node.attr}"
    if isinstance(node, ast.Call) and node.args:
        function = path_of(node.func, names, parts - 1)
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if function in ("__import__", "importlib.import_module") and texts:
            return texts[0]
        if function == "getattr" and texts:
            base = path_of(node.args[0], names, parts - 1)
            return None if base is None else f"{base}.{texts[0]}"
        return function if function == "SystemExit" else None
    return None


def main_guard(tree: ast.Module) -> set[int]:
    """The nodes (by `id`) under `if __name__ == "__main__"`."""
    return {
        id(child)
        for node in tree.body
        if isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in walk(node.test))
        for child in walk(node)
    }


def _literals(nodes: object) -> dict[str, ast.expr]:
    """Names that are assigned exactly once, to a literal."""
    found: dict[str, ast.expr] = {}
    counts: dict[str, int] = {}
    assert isinstance(nodes, list | tuple)
    for node in nodes:
        source, targets = _flow(node)
        for name in [n for t in targets for n in _roots(t)]:
            counts[name] = counts.get(name, 0) + 1
            if isinstance(source, ast.expr) and len(targets) == 1 and isinstance(targets[0], ast.Name):
                found[name] = source
    return {name: value for name, value in found.items() if counts[name] == 1 and folded(value, {}) is not None}


def _flow(node: ast.AST) -> tuple[ast.AST | None, list[ast.expr]]:
    """What flows into which targets at this node."""
    match node:
        case ast.Assign(targets=targets, value=value):
            return value, list(targets)
        case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            return value, [target]
        case ast.AugAssign(target=target):
            return node, [target]
        case ast.For(target=target, iter=source) | ast.AsyncFor(target=target, iter=source):
            return source, [target]
        case ast.comprehension(target=target, iter=source):
            return source, [target]
        case ast.withitem(context_expr=source, optional_vars=ast.expr() as target):
            return source, [target]
        case ast.Call(func=ast.Attribute(value=ast.Name() as target)):
            return node, [target]  # a method may change its object
    return None, []


def _roots(target: ast.AST) -> list[str]:
    return [node.id for node in walk(target) if isinstance(node, ast.Name)]


def _mentions(node: ast.AST, names: set[str], ignored: set[int]) -> bool:
    """Whether one of the names occurs in the expression, leaving out conditions that do not count."""
    left = _left.get()
    stack = [node]
    while stack:
        current = stack.pop()
        _count(left)
        if id(current) in ignored:
            continue
        if isinstance(current, ast.Name) and current.id in names:
            return True
        stack.extend(ast.iter_child_nodes(current))
    return False
