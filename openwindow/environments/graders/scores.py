"""Finds the score in whatever a grader gives: a Python object, the last line that a command prints, or a file that it writes.

Graders give a score as a number, in words (`Score: 0.5`), as JSON (`{"score": 1}`), as a fraction (`3/4`) or in per cent (`75%`).
Anything else is no score, which is not the same as a score of 0.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping

_KEYS = ("score", "reward")
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_LABEL = r"(?:[\w ]*\b(?:score|reward|grade|result|mark|points|accuracy|rate|passed|total|correct)\s*(?:[:=]|\bis\b)\s*)?"
_WHOLE = rf"(?:\s*(?P<percent>%)|\s*(?:/|(?:out )?of)\s*(?P<whole>{_NUMBER}))?"
_AFTER = r"(?:\s+(?:tests?|cases?|checks?|points?|passed|correct))*\s*(?:\([^()]*\))?\s*[.!]?"
_SAID = re.compile(rf"{_LABEL}(?P<number>{_NUMBER}){_WHOLE}(?P<after>{_AFTER})", re.IGNORECASE)
_PASSED = re.compile(rf"^(?:\w+ )?passed\s+(?={_NUMBER}\s*(?:/|(?:out )?of\b))", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NoScore(Exception):
    """What a grader gave is not a score; the message says what it was."""


def number_of(given: object) -> float:
    """The score in an object: a number, the `score` or `reward` of a mapping, or the first item of a tuple or list.

    Raises NoScore for anything else and for what is not finite; ValueError or TypeError as `float` does.
    """
    number = _number_in(given)
    if not math.isfinite(number):
        raise NoScore(f"it gave {number}, which is no finite number")
    return number


def _number_in(given: object) -> float:
    """As `number_of`, infinite and NaN included."""
    inner = given
    for _ in range(4):
        if isinstance(inner, Mapping):
            inner = next((inner[key] for key in _KEYS if key in inner), None)
        elif isinstance(inner, tuple | list):
            inner = inner[0] if inner else None
    if inner is None:
        raise NoScore(f"it gave {given!r:.200}")
    return float(inner)  # type: ignore[arg-type]


def score_said(text: str) -> float | None:
    """The score that a text ends with, as a number on its last line or as JSON; None if there is none.

    Infinite and NaN if that is what it says.
    """
    lines = [line.strip() for line in _COLOUR.sub("", text).splitlines() if line.strip()]
    if not lines:
        return None
    last = lines[-1]
    opening = next((i for i in reversed(range(len(lines))) if lines[i].startswith("{")), None)
    if opening is not None and last.endswith("}"):
        return _in_object("\n".join(lines[opening:]))
    if match := _SAID.fullmatch(_PASSED.sub("", last)):
        number, whole = float(match["number"]), match["whole"]
        if match["percent"]:
            return number / 100
        if whole is not None:
            return number / float(whole) if float(whole) else None
        return number if not match["after"].strip(" .!") or match["after"].strip().startswith("(") else None
    try:
        return float(last)
    except ValueError:
        return None


def _in_object(text: str) -> float | None:
    """The score in a JSON object, or in a mapping as Python prints it."""
    for read in (json.loads, ast.literal_eval):
        try:
            return _number_in(read(text))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, NoScore):
            continue
    return None
