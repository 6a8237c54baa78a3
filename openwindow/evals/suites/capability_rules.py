"""Constraints that a reply can satisfy, each with its wordings and a reply that satisfies it.

Every constraint asks for a word or form of its own, so that no fixed reply satisfies more than a few.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def last_number(text: str) -> float | None:
    """The last number in a text, thousands with commas or without; None if it has none."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A constraint: its wordings, whether a reply satisfies it, and a reply that does."""

    ask: tuple[str, str, str]
    kept: Callable[[str], bool]
    example: str


def _has(text: str, *words: str) -> bool:
    return all(re.search(rf"\b{word}\b", text, re.I) for word in words)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def _is_object(text: str) -> bool:
    inside = re.search(r"\{.*\}", text, re.S)
    try:
        made = json.loads(inside[0]) if inside else None
    except ValueError:
        return False
    return isinstance(made, dict) and set(made) == {"name", "legs"} and made["legs"] == 4


_METALS = frozenset(
    "gold tin zinc iron platinum aluminium aluminum titanium uranium chromium calcium sodium lithium".split()  # noqa: SIM905
)

RULES = {
    "bullets": Rule(
        (
            "List exactly three fruits, each on a line that begins with '- '.",
            "Give me three fruits as a list, one per line, every line starting with '- '. Nothing else.",
            "Three fruits, please: three lines, and each begins with '- '.",
        ),
        lambda t: len(_lines(t)) == 3 and all(re.match(r"- \w", line) for line in _lines(t)),
        "- apple\n- pear\n- plum",
    ),
    "lower_case": Rule(
        (
            "Describe a lighthouse in one sentence, without any capital letter, and use the word lighthouse.",
            "Write a sentence on a lighthouse in small letters only; the word lighthouse must be in it.",
            "In lower case throughout, say one thing about a lighthouse, naming it lighthouse.",
        ),
        lambda t: _has(t, "lighthouse") and t == t.lower(),
        "the lighthouse stands on a rock and warns the ships.",
    ),
    "capitals": Rule(
        (
            "Say what the sea is, in capital letters only, with the word SEA.",
            "ALL CAPITALS please: one sentence about the sea, which has the word SEA in it.",
            "Use capital letters for the whole answer: what is the sea? Use the word SEA.",
        ),
        lambda t: bool(re.search(r"\bSEA\b", t)) and t == t.upper(),
        "THE SEA IS A GREAT BODY OF SALT WATER.",
    ),
    "ending": Rule(
        (
            'End your answer with the words "That is why." The question: what makes bread rise?',
            'The last words of your reply must be "That is why." Tell me what lets bread rise.',
            'Finish with exactly "That is why." after a short explanation of how bread rises.',
        ),
        lambda t: t.rstrip("\"'*").endswith("That is why.") and _has(t, "bread|dough|yeast"),
        "Yeast makes gas, and the gas lifts the dough. That is why.",
    ),
    "json": Rule(
        (
            'Describe a horse as a JSON object with the keys "name" and "legs" (a number), and no other keys.',
            'A horse as JSON, please: one object, keys "name" and "legs" alone, legs being a number.',
            'Give one JSON object for a horse. Its only keys are "name" and "legs", the latter a number.',
        ),
        _is_object,
        '{"name": "horse", "legs": 4}',
    ),
    "two_sentences": Rule(
        (
            "Write exactly two sentences about snow, each with the word snow.",
            "Two sentences on snow, no more and no fewer; both have the word snow in them.",
            "About snow: exactly two sentences, and the word snow stands in each.",
        ),
        lambda t: len(_sentences(t)) == 2 and all(_has(s, "snow") for s in _sentences(t)),
        "The snow is white. Children like the snow.",
    ),
    "no_letter": Rule(
        (
            "Name a metal whose name has no letter e. Answer with one word.",
            "One word, please: a metal that is spelt without an e.",
            "Which metal is written without the letter e? Reply with that word alone.",
        ),
        lambda t: t.strip(" .\"'*").lower() in _METALS,
        "Gold",
    ),
    "in_quotes": Rule(
        (
            "Write a short greeting to a neighbour and put the whole answer in double quotes.",
            "Greet a neighbour in a few words; your whole reply stands between double quotes.",
            "A greeting to a neighbour, please, wrapped in double quotes from its first to its last character.",
        ),
        lambda t: len(t) > 6 and t[0] == t[-1] == '"' and t.count('"') == 2,
        '"Good morning, neighbour!"',
    ),
    "counted_word": Rule(
        (
            "Write about a cat and use the word cat exactly three times.",
            "A few words on a cat, in which cat appears three times, neither more nor less.",
            "Use the word cat three times, and not a fourth time, in a text about one.",
        ),
        lambda t: len(re.findall(r"\bcat\b", t, re.I)) == 3 and len(t.split()) >= 8,
        "The cat sleeps. A cat dreams of fish, as every cat does.",
    ),
    "numbered": Rule(
        (
            "Give two steps to boil an egg, numbered 1. and 2., each on its own line.",
            "How is an egg boiled? Two lines: the first begins with 1. and the second with 2.",
            "Two numbered lines (1. and 2.) on how to boil an egg, please.",
        ),
        lambda t: [line[:2] for line in _lines(t)] == ["1.", "2."] and _has(t, "egg|eggs|water|boil"),
        "1. Put the egg into boiling water.\n2. Take it out after six minutes.",
    ),
}
"""constraints by name"""
