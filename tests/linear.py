"""Whether a scorer's time grows with a reply's length and no faster: small models repeat themselves, at length.

`tokens` gives what the patterns of a module look for; whatever is repeated in a reply that nears a match again and again is made
of these. `assert_linear` times a function on repetitions of each at two sizes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from re import _constants, _parser  # type: ignore[attr-defined]  # where Python keeps its parser of patterns
from types import ModuleType
from typing import Any

SMALL, FACTOR = 2500, 4  # characters, and how much longer the long reply is
NOISE = 0.1  # seconds of processor time that say nothing
SLOWER = 2.2  # times linear growth; quadratic growth is FACTOR times linear
COMMON = (
    "\n",
    " ",
    "a",
    "A",
    "a ",
    "so ",
    "9",
    "1: 1\n",
    "1,234,",
    "(",
    "[A] ",
    "{",
    '"',
    "'",
    "`",
    "```\n",
    "```python\n",
    "# ",
    "- ",
    "*",
    "_",
)
COMMON = (*COMMON, ".", "? ", "; ", ", ", "</", "<think>", "\u2019", "\u0301", "not ", "you are ", "ab", "aab ")


def patterns(*modules: ModuleType) -> list[re.Pattern[str]]:
    """All compiled patterns that the modules hold, those in tuples and dicts included."""

    def within(value: object) -> Iterator[re.Pattern[str]]:
        if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
            yield value
        elif isinstance(value, dict):
            yield from (p for v in value.values() for p in within(v))
        elif isinstance(value, list | tuple | set | frozenset):
            yield from (p for v in value for p in within(v))

    return list(dict.fromkeys([p for module in modules for value in vars(module).values() for p in within(value)]))


def tokens(found: Iterable[re.Pattern[str]]) -> list[str]:
    """The literal pieces of the patterns, each once, and a piece for every kind of character that they ask for."""
    pieces: list[str] = []
    for pattern in found:
        pieces += _pieces(_parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    return list(dict.fromkeys([piece for piece in pieces if piece]))


def _pieces(parsed: Any) -> list[str]:
    """The runs of literals in a parsed pattern and in all that it holds."""
    found, run = [], ""
    for kind, value in parsed:
        if kind is _constants.LITERAL:
            run += chr(value)
            continue
        found.append(run)
        run = ""
        if kind is _constants.IN:
            run = next((chr(v) for k, v in value if k is _constants.LITERAL), "")
        for part in value if isinstance(value, list | tuple) else [value]:
            for inner in part if isinstance(part, list | tuple) else [part]:
                if isinstance(inner, _parser.SubPattern):
                    found += _pieces(inner)
    return [*found, run]


def seconds(action: Callable[[str], object], reply: str) -> float:
    """Processor time of one call: the best of two."""
    best = float("inf")
    for _ in range(2):  # noise only adds
        start = time.process_time()
        action(reply)
        best = min(best, time.process_time() - start)
        if best < NOISE / FACTOR:
            break
    return best


def assert_linear(action: Callable[[str], object], pieces: Iterable[str]) -> None:
    """Times the action on repetitions of each piece, with a blank after words."""
    slow = []
    for text in dict.fromkeys([f"{piece} " if piece[-1].isalnum() else piece for piece in pieces]):
        long = (text * (SMALL * FACTOR // len(text) + 1))[: SMALL * FACTOR]
        took = seconds(action, long)
        if took > NOISE and took > SLOWER * FACTOR * max(seconds(action, long[:SMALL]), NOISE / FACTOR / 2):
            slow.append((text, round(took, 2)))
    assert not slow
