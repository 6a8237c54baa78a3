"""New inputs for a function of which only a few inputs are known.

A mutated value has the type of the original, and so have its parts; positive numbers stay positive, sorted lists sorted, matrix
rows equally long, and an argument that is always the length of another stays so. Not covered: any other condition that a function
may put on its arguments; the caller drops inputs that the function refuses.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import Any

_ALPHABETS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)

Arguments = tuple[object, ...]


def mutate_arguments(known: Sequence[Arguments], rng: random.Random) -> Arguments:
    """One of the known argument tuples with one to four small changes."""
    lengths = _lengths(known)
    new = list(rng.choice(known))
    free = [i for i in range(len(new)) if i not in lengths]
    for _ in range(rng.randint(1, 4)):
        for i in rng.sample(free, min(1, len(free))):
            new[i] = mutate(new[i], rng)
    for i, j in lengths.items():
        new[i] = _size(new[j])
    return tuple(new)


def mutate(value: Any, rng: random.Random) -> Any:
    """A value of the same type and shape that differs a little or, by chance, not at all."""
    match value:
        case bool():
            return rng.random() < 0.5
        case int():
            step = rng.choice((-2, -1, 1, 2, rng.randint(-10, 10), rng.randint(0, 30 + abs(value))))
            return value + step if value <= 0 or value + step > 0 else value + 1
        case float():
            moved = round(value + rng.choice((-1.0, 0.5, 1.0, rng.uniform(-9, 9))), 2)
            return moved if value <= 0 or moved > 0 else value + 1.5
        case str():
            return _text(value, rng)
        case list():
            return _items(value, rng)
        case tuple():
            return tuple(_items(list(value), rng))
        case set():
            return set(_items(sorted(value, key=repr), rng))
        case dict() if value:
            key = rng.choice(list(value))
            return {**value, key: mutate(value[key], rng)}
    return value


def _lengths(known: Sequence[Arguments]) -> dict[int, int]:
    """Positions of integers that are the length of another argument in all known tuples, and the position of that argument."""
    places = range(len(known[0]))
    pairs = [(i, j) for i in places for j in places if i != j and len({len(args) for args in known}) == 1]
    return {i: j for i, j in pairs if all(type(args[i]) is int and args[i] == _size(args[j]) for args in known)}


def _size(value: object) -> int:
    return len(value) if isinstance(value, list | tuple | str | dict | set) else -1


def _text(text: str, rng: random.Random) -> str:
    if not text:
        return text
    if " " in text and rng.random() < 0.3:
        words = text.split(" ")
        return " ".join(rng.sample(words, len(words)))
    i, j = rng.randrange(len(text)), rng.randrange(len(text))
    fresh = next((rng.choice(alphabet) for alphabet in _ALPHABETS if text[i] in alphabet), text[i])
    edits = [text[:i] + fresh + text[i + 1 :], text[:i] + text[j] + text[i + 1 :]]
    if len(text) > 1:
        edits += [text[:i] + text[i + 1 :], text[:i] + text[j] + text[i:]]
    return rng.choice(edits)


def _items(items: list[Any], rng: random.Random) -> list[Any]:
    if not items:
        return items
    uniform = len(items) > 1 and len({type(item) for item in items}) == 1
    rows = uniform and _size(items[0]) > 0 and not isinstance(items[0], str) and len({*map(_size, items)}) == 1
    ordered = uniform and isinstance(items[0], int | float | str) and items == sorted(items)
    change = rng.choice(("change", "change", "shuffle", "drop", "add")) if uniform else "change"
    new = list(items)
    i = rng.randrange(len(new))
    if change == "shuffle":
        rng.shuffle(new)
    elif change == "drop":
        del new[i]
    else:
        item = _row(items[i], rng) if rows else mutate(items[i], rng)
        new[i : i + (change == "change")] = [item]
    return sorted(new) if ordered else new


def _row(row: Any, rng: random.Random) -> Any:
    """The row with one part mutated, and the same number of parts."""
    if not isinstance(row, list | tuple):
        return mutate(row, rng)
    i = rng.randrange(len(row))
    new = [mutate(part, rng) if k == i else part for k, part in enumerate(row)]
    return tuple(new) if isinstance(row, tuple) else new
