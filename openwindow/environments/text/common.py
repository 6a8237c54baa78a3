"""What environments of short texts share: no workers, drawing from a pool of problems, and finding near copies."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from openwindow.environments.base import BaseEnvironment, C
from openwindow.errors import DataError
from openwindow.files.bounded import is_file, read_regular, too_deep
from openwindow.types import Split


class OfFamily(Protocol):
    """Something that is drawn family by family."""

    @property
    def family(self) -> str:
        """The family's name."""
        ...


P = TypeVar("P")
F = TypeVar("F", bound=OfFamily)
_WORD = re.compile(r"[a-z0-9']+")
ALIKE = 0.7  # Jaccard index of two texts' word sets from which they count as near copies


class TextEnvironment(BaseEnvironment[C]):
    """An environment without workers. Subclasses that read data do so in `load`."""

    def load(self) -> None:
        """Reads the data; nothing to read here. Raises DataError."""

    def check(self) -> None:
        """Raises DataError if the data cannot be used."""
        self.load()


def draw(pool: Sequence[P], count: int, split: Split, seed: int, what: str) -> list[P]:
    """Draws `count` from the pool, by split and seed. Raises DataError if there are fewer."""
    if len(pool) < count:
        raise DataError(f"{count} {what} asked for, split {split!r} has {len(pool)}: ask for fewer rows or problems")
    return random.Random(f"{what}/{split}/{seed}").sample(list(pool), count)


def spread(pool: Sequence[F], count: int, split: Split, seed: int, what: str) -> list[F]:
    """Draws `count` from the pool by split and seed, evenly over its families. Raises DataError if there are fewer."""
    families: dict[str, list[F]] = {}
    for problem in draw(pool, max(count, len(pool)), split, seed, what):
        families.setdefault(problem.family, []).append(problem)
    turns = itertools.zip_longest(*families.values())
    found = [problem for turn in turns for problem in turn if problem is not None][:count]
    return random.Random(f"{what}/{split}/{seed}/order").sample(found, count)


def split_of(key: str) -> Split:
    """The split of a family of given data, by its name alone: of ten, two request, four train, one dev, three test."""
    number = random.Random(f"group/{key}").randrange(10)
    return "request" if number < 2 else "train" if number < 6 else "dev" if number < 7 else "test"


def near_copies(texts: Sequence[str]) -> list[str]:
    """For each text, the alphabetically first of its near copies: copies of copies form one family.

    Two texts are compared only if they share one of their rarest words; a pair that is `ALIKE` always shares one
    (prefix filtering; Chaudhuri et al. 2006, ICDE). 10,000 short reviews take 2 s.
    """
    words = [frozenset(_WORD.findall(text.lower())) for text in texts]
    counts = Counter(word for found in words for word in found)
    parents = list(range(len(texts)))
    holders: dict[str, list[int]] = {}
    for i in sorted(range(len(texts)), key=lambda i: len(words[i])):
        mine = words[i]
        rarest = sorted(mine, key=lambda word: (counts[word], word))[: len(mine) - math.ceil(ALIKE * len(mine)) + 1]
        for j in {j for word in rarest for j in holders.get(word, ())}:
            shared = len(mine & words[j])
            if shared >= ALIKE * (len(mine) + len(words[j]) - shared):
                parents[_root(parents, i)] = _root(parents, j)
        for word in rarest:
            holders.setdefault(word, []).append(i)
    first: dict[int, str] = {}
    for i, text in enumerate(texts):
        root = _root(parents, i)
        first[root] = min(text, first.get(root, text))
    return [first[_root(parents, i)] for i in range(len(texts))]


def _root(parents: list[int], i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


def read_jsonl(path: Path, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) of a JSONL file. Raises DataError with the number of the first faulty line."""
    if not is_file(path):
        raise DataError(f"--data {path!s:.200} does not exist or is no file; expected {what} as JSONL; check the path")
    content = read_regular(path, name=f"--data {path!s:.200}", expected=f"{what} as JSONL")
    for number, line in enumerate(content.splitlines(), 1):
        where = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is not JSON ({str(error)[:60]}); expected {what}, one per line; fix or drop it") from None
        if too_deep(row, line):
            raise DataError(f"{where} is nested too deeply; expected {what}; fix or drop it")
        if not isinstance(row, dict):
            raise DataError(f"{where} is {type(row).__name__}, not an object; expected {what}; fix or drop it")
        yield where, row
