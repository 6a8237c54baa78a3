"""Tokenised examples to batches drawn at random, and to forward passes over rows of similar length."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence, Sized

from openwindow.models.examples import Example

PASS = 64
"""tokens of padding that cost about as much as another forward pass: the prefix again, and its overhead"""
PASS_UNPADDED = 512
"""the same where only the attention is padded"""


def shuffled_batches(examples: Sized, size: int, rng: random.Random) -> list[list[int]]:
    """Indices of the examples in batches of `size`, the last one smaller: one epoch, in an order drawn from `rng`.

    Which rows share a batch does not depend on their length, and so not on what goes with length, such as the kind of answer.
    """
    order = list(range(len(examples)))
    rng.shuffle(order)
    return [order[start : start + size] for start in range(0, len(order), size)]


def in_turn(examples: Sequence[Example], rng: random.Random) -> Iterator[Example]:
    """The examples without end, in an order drawn anew for each pass over them; nothing where there are none."""
    while examples:
        yield from (examples[i] for batch in shuffled_batches(examples, len(examples), rng) for i in batch)


def rows_of_step(examples: Sequence[Example], count: int, step: int, seed: int) -> list[Example]:
    """The `count` examples of a step (from 0): all are gone through in turn, and the same step has the same ones."""
    return list(itertools.islice(in_turn(examples, random.Random(f"beside/{seed}")), step * count, (step + 1) * count))


def passes_by_length(examples: Sequence[Example], size: int, most: int = PASS) -> list[list[Example]]:
    """The examples of one batch, short ones first, divided into forward passes of at most `size` rows with little padding.

    A pass ends when another row would make its padding more than `most` tokens, which cost about as much as another pass.
    """
    parts: list[list[Example]] = []
    padding = 0
    for example in sorted(examples, key=lambda e: len(e.tokens)):
        if parts and len(parts[-1]) < size:
            padding += len(parts[-1]) * (len(example.tokens) - len(parts[-1][-1].tokens))
            if padding <= most:
                parts[-1].append(example)
                continue
        parts.append([example])
        padding = 0
    return parts
