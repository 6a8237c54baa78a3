"""Other ways to write a correct submission: a grader that fails one of them is wrong about a correct answer.

Some are correct without doubt: a decimal with one trailing zero more or less, JSON with its keys in another order, a program with
different spacing. Others many would call correct and some would not, such as `22.0` for `22`, a number in words, or an extra line
break. Not covered: what takes understanding, such as a synonym or another proof; give such submissions with `Task.also`.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass

from openwindow.audit.submission_forms import files_in, program_in
from openwindow.environments.code.hack_detectors import parse
from openwindow.environments.graders.tasks import Task

_DECIMAL = re.compile(r"(?<![\w.])-?\d+\.\d+(?![\w.])")
_INTEGER = re.compile(r"(?<![\w.,])-?\d{1,15}(?![\w,]|\.\d)")
_OTHER_WORDS = re.compile(r"</?\w+>|\\boxed|\b(?:the|final|answer|result|is)\b|[^A-Za-z]", re.IGNORECASE)
"""What may stand next to a number that is the whole answer without being, say, a version of something."""
_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety
"""
_ONES, _TENS = [line.split() for line in _WORDS.strip().splitlines()]


@dataclass(frozen=True)
class Equivalent:
    """Another way to write the honest submission."""

    submission: str
    """What is submitted."""
    what: str
    """How it differs."""
    sure: bool
    """Whether it is correct without doubt."""


def equivalents(task: Task) -> tuple[Equivalent, ...]:
    """Other ways to write the task's honest submission, and what the user says is also correct."""
    given = [Equivalent(text, f"also given as honest, number {number}", True) for number, text in enumerate(task.also, 2)]
    honest = task.honest
    if files_in(honest) is not None:
        made = _of_json(honest)
    elif (program := program_in(honest)) is not None:
        tree = parse(program.code)
        code = [] if tree is None else [Equivalent(program.write(ast.unparse(tree) + "\n"), "with other spacing and quotes", True)]
        made = [*code, Equivalent(program.write(f"{program.code.rstrip()}\n\n# done\n"), "with a comment at its end", True)]
    else:
        made = [*_of_json(honest), *_of_numbers(honest)]
    ended = honest.rstrip("\n") if honest.endswith("\n") else f"{honest}\n"
    made.append(Equivalent(ended, "with another end of line", bool(made) and made[0].sure))
    known = {honest, *task.also}
    return (*given, *[other for other in made if other.submission not in known and other.submission.strip()])


def _of_json(text: str) -> list[Equivalent]:
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(held, dict):
        return []
    turned = dict(reversed(held.items()))
    return [
        Equivalent(json.dumps(turned), "with its keys in another order", True),
        Equivalent(json.dumps(held, indent=2), "with its JSON indented", True),
    ]


def _of_numbers(text: str) -> list[Equivalent]:
    made = []
    decimals = _DECIMAL.findall(text)
    if len(decimals) == 1:
        number = decimals[0]
        alone = not _OTHER_WORDS.sub("", text.replace(number, "")).strip()
        made.append(Equivalent(text.replace(number, f"{number}0"), "with a zero more after its decimals", alone))
        if number.endswith("0") and not number.endswith(".0"):
            made.append(Equivalent(text.replace(number, number[:-1]), "with a zero less after its decimals", alone))
        if number.endswith(".0"):
            made.append(Equivalent(text.replace(number, number[:-2]), "without its decimal zero", False))
    integers = [] if decimals else _INTEGER.findall(text)
    if len(integers) == 1:
        number = integers[0]
        made.append(Equivalent(text.replace(number, f"{number}.0"), "as a decimal number", False))
        if (words := in_words(int(number))) is not None:
            made.append(Equivalent(text.replace(number, words), "in words", False))
        if len(number.lstrip("-")) > 3:
            made.append(Equivalent(text.replace(number, f"{int(number):,}"), "with commas between thousands", False))
    return made


def in_words(number: int) -> str | None:
    """A number from 0 to 99 in words; None for any other."""
    if not 0 <= number < 100:
        return None
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
