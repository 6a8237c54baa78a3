"""Tokenised examples to batches drawn at random, and to padded tensors of rows of similar length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

_PASS = 64  # tokens of padding that cost about as much as one more forward pass: the prefix once more, and its overhead


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: `tokens` ids, of which the first `prompt` are not trained on, nor those in `gaps` (from, to)."""

    tokens: tuple[int, ...]
    prompt: int
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def response(self) -> int:
        """Tokens that are trained on."""
        return len(self.tokens) - self.prompt - sum(end - start for start, end in self.gaps)


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples without the prefix that they share, padded on the right.

    `prefix` (P,) are the tokens that all examples begin with; `ids` (B, T) those that follow; `predicts` (B, T) is true where
    the next token is one that is trained on; `targets_N` are those next tokens, in the order in which `predicts` selects.
    """

    prefix: torch.Tensor
    ids: torch.Tensor
    predicts: torch.Tensor
    targets_N: torch.Tensor


def collate(examples: Sequence[Example], device: torch.device) -> Batch:
    """Pads the examples to one tensor each."""
    shared = shared_prefix(examples)
    width = max(len(e.tokens) for e in examples) - shared
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    predicts = torch.zeros(len(examples), width, dtype=torch.bool)
    for row, example in enumerate(examples):
        rest = example.tokens[shared:]
        ids[row, : len(rest)] = torch.tensor(rest)
        predicts[row, example.prompt - 1 - shared : len(rest) - 1] = True
        for start, end in example.gaps:
            predicts[row, start - 1 - shared : end - 1 - shared] = False
    targets_N = ids[:, 1:][predicts[:, :-1]]
    prefix = torch.tensor(examples[0].tokens[:shared], dtype=torch.long)
    return Batch(prefix.to(device), ids.to(device), predicts.to(device), targets_N.to(device))


def shared_prefix(examples: Sequence[Example]) -> int:
    """How many first tokens all examples share, at most one less than the shortest prompt has; 0 for a single example."""
    if len(examples) == 1:
        return 0
    first, last = min(e.tokens for e in examples), max(e.tokens for e in examples)
    limit = min(e.prompt for e in examples) - 1
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return shared


def shuffled_batches(examples: Sequence[Example], size: int, rng: random.Random) -> list[list[int]]:
    """Indices of the examples in batches of `size`, the last one of what is left: one epoch, in an order drawn from `rng`.

    Which rows share a batch says nothing of their length, and so nothing of what goes with it, such as the kind of answer.
    """
    order = list(range(len(examples)))
    rng.shuffle(order)
    return [order[start : start + size] for start in range(0, len(order), size)]


def passes_by_length(examples: Sequence[Example], size: int) -> list[list[Example]]:
    """The examples of one batch, short ones first, cut into forward passes of at most `size` rows with little padding.

    A pass ends where one more row would bring its padding above what another pass costs.
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
