"""The words by which a grader says that something passed, from what it printed, the task's text and its own source.

A submission that prints them tests whether the verdict is read from something the submission can write. Only short texts that
speak of success and not of failure are used. Not covered: words that are composed at run time.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable

_SUCCESS = re.compile(
    r"pass|success|succe+d|\bok\b|correct|verified|accept|solved|\bvalid\b|\btrue\b|\bdone\b|\byes\b|complete|\bgood\b",
    re.IGNORECASE,
)
_FAILURE = re.compile(r"fail|error|wrong|incorrect|invalid|\bno\b|\bnot\b|false|reject|usage|unsolved|expected|must", re.IGNORECASE)
_QUOTED = re.compile(r"\"([^\"\n]{2,60})\"|'([^'\n]{2,60})'|`([^`\n]{2,60})`|\b([A-Z][A-Z0-9_]{2,40})\b")
_TEST_NAME = re.compile(r"\b(test_\w{1,60})\b")
_MOST = 10
_LONGEST = 60
_READ = 1 << 18  # characters of a text that are read


def pass_words(texts: Iterable[str]) -> tuple[str, ...]:
    """Words for a pass in these texts, whether they are Python or not: at most ten, in order."""
    found: dict[str, None] = {}
    for text in texts:
        for words in [candidate.strip() for candidate in _candidates(text[:_READ])]:
            if 1 < len(words) <= _LONGEST and words.isprintable() and _SUCCESS.search(words) and not _FAILURE.search(words):
                found[words] = None
    return tuple(found)[:_MOST]


def names_of_tests(texts: Iterable[str]) -> tuple[str, ...]:
    """Names of tests in these texts, at most twenty."""
    return tuple(dict.fromkeys([name for text in texts for name in _TEST_NAME.findall(text[:_READ])]))[:20]


def _candidates(text: str) -> list[str]:
    """The literals of a program; for any other text what is in quotes or capitals, and its short lines."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        quoted = [next(part for part in parts if part) for parts in _QUOTED.findall(text)]
        return [*quoted, *[line for line in text.splitlines() if len(line) <= _LONGEST and len(line.split()) <= 4]]
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
