"""What a family of function tasks is, and the random inputs that families share.

A family is one function with its constants left open ("adds k to x"). An `Instance` has the constants, the wording and
the names filled in, and calls the trusted reference for as many inputs as are wanted.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from openwindow.environments.code.base import Part
from openwindow.types import Case

Group = Literal["train_a", "train_b", "dev", "test"]
Difficulty = Literal[1, 2, 3]

# Signatures to draw from; {x}, {y}, {z} in wordings and bodies stand for the first, second and third argument.
NUMBER = ("x", "n", "num", "a")
TWO_NUMBERS = ("a, b", "x, y", "m, n", "first, second")
TEXT = ("text", "line", "message", "phrase")
TWO_TEXTS = ("a, b", "s, t", "first, second", "left, right")
NUMBERS_LIST = ("xs", "nums", "values", "items")
WORDS_LIST = ("names", "items", "xs", "parts")
MAPPING = ("d", "data", "table", "scores")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of function.

    `group` is where its problems may be used: two halves of the training split, or a held-out split. `difficulty` is 1
    for a trivial line, 2 for a comprehension or two operations, 3 for a loop or several steps. `functions`,
    `arguments` and `wordings` are what an instance draws from; a wording follows "Write a Python function that".
    `values` draws the constants, named as in the templates; `draw(rng, **constants)` gives the arguments of one call
    and `reference(*arguments, **constants)` its result.
    """

    name: str
    group: Group
    difficulty: Difficulty
    functions: tuple[str, ...]
    arguments: tuple[str, ...]
    wordings: tuple[str, ...]
    body: str
    reference: Callable[..., object]
    draw: Callable[..., tuple[object, ...]]
    values: Callable[[random.Random], dict[str, object]] = lambda rng: {}

    @property
    def split(self) -> Part:
        """The split of all its problems."""
        return "train" if self.group == "train_a" or self.group == "train_b" else self.group

    def instance(self, rng: random.Random) -> Instance:
        """The family with everything that `rng` leaves open drawn."""
        values = self.values(rng)
        signature = rng.choice(self.arguments)
        words = {**values, **dict(zip("xyz", signature.split(", "), strict=False))}
        function = rng.choice(self.functions).format(**words)
        body = self.body.format(**words).replace("\n", "\n    ")
        return Instance(
            family=self,
            values=values,
            description=rng.choice(self.wordings).format(**words),
            function=function,
            solution=f"def {function}({signature}):\n    {body}\n",
        )


@dataclass(frozen=True, slots=True)
class Instance:
    """A family with constants, names and wording filled in; `description` says what the function does."""

    family: Family
    values: dict[str, object]
    description: str
    function: str
    solution: str

    def case(self, rng: random.Random) -> Case:
        """One call with its true result."""
        args = self.family.draw(rng, **self.values)
        return Case(args, self.family.reference(*args, **self.values))


def integer(rng: random.Random) -> int:
    """An integer of either sign, small more often than not."""
    return rng.randint(-30, 60) if rng.random() < 0.6 else rng.randint(-5000, 5000)


def natural(rng: random.Random) -> int:
    """An integer of at least 0, small more often than not."""
    return rng.randint(0, 60) if rng.random() < 0.6 else rng.randint(0, 9000)


def integers(rng: random.Random, low: int = -9, high: int = 40, shortest: int = 3) -> list[int]:
    """Three to seven integers between `low` and `high`, unless `shortest` says otherwise."""
    return [rng.randint(low, high) for _ in range(rng.randint(shortest, shortest + 4))]


def distinct_integers(rng: random.Random, shortest: int = 3) -> list[int]:
    """Different integers in random order."""
    return rng.sample(range(-20, 60), rng.randint(shortest, shortest + 4))


def word(rng: random.Random) -> str:
    """A pronounceable lower-case word of two to eight letters."""
    syllables = [rng.choice("bcdfghklmnprstvw") + rng.choice("aeiou") for _ in range(rng.randint(1, 3))]
    return "".join(syllables) + rng.choice(("", "n", "r", "s", "t", "ll"))


def words(rng: random.Random, shortest: int = 2) -> list[str]:
    """Two to five words, unless `shortest` says otherwise."""
    return [word(rng) for _ in range(rng.randint(shortest, shortest + 3))]


def mixed_case(rng: random.Random) -> str:
    """A word with some of its letters in capitals."""
    return "".join(c.upper() if rng.random() < 0.4 else c for c in word(rng))


def table(rng: random.Random, low: int = -9, high: int = 40) -> dict[str, int]:
    """Two to five words, each with an integer."""
    return {key: rng.randint(low, high) for key in dict.fromkeys(words(rng))}


def one_integer(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: an integer."""
    return (integer(rng),)


def one_natural(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: an integer of at least 0."""
    return (natural(rng),)


def two_integers(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: two integers."""
    return (integer(rng), integer(rng))


def one_list(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: a list of integers."""
    return (integers(rng),)


def one_word(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: a lower-case word of at least five letters, or two words."""
    return (word(rng) + word(rng) if rng.random() < 0.7 else f"{word(rng)} {word(rng)}",)


def one_sentence(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: words with a single space between them."""
    return (" ".join(words(rng)),)


def word_list(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: a list of words."""
    return (words(rng),)


def one_table(rng: random.Random, **_: object) -> tuple[object, ...]:
    """Arguments: a dictionary from words to integers."""
    return (table(rng),)
