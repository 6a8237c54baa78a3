"""Tokenised examples to batches drawn at random, and to forward passes over rows of similar length."""

from __future__ import annotations

import random
from collections.abc import Sequence

from openwindow.models.examples import Example

_PASS = 64  # tokens of padding that cost about as much as another forward pass: the prefix again, and its overhead


def shuffled_batches(examples: Sequence[Example], size: int, rng: random.Random) -> list[list[int]]:
    """Indices of the examples in batches of `size`, the last one smaller: one epoch, in an order drawn from `rng`.

    Which rows share a batch does not depend on their length, and so not on what goes with length, such as the kind of answer.
    """
    order = list(range(len(examples)))
    rng.shuffle(order)
    return [order[start : start + size] for start in range(0, len(order), size)]


def passes_by_length(examples: Sequence[Example], size: int) -> list[list[Example]]:
    """The examples of one batch, short ones first, divided into forward passes of at most `size` rows with little padding.

    A pass ends when another row would make its padding cost more than another pass.
    """
    parts: list[list[Example]] = []
    padding = 0
    for example in sorted(examples, key=lambda e: len(e.tokens)):
        if parts and len(parts[-1]) < size:
            padding += len(parts[-1]) * (len(example.tokens) - len(parts[-1][-1].tokens))
            if padding <= _PASS:
                parts[-1].append(example)
                continue
        parts.append([example])
        padding = 0
    return parts
