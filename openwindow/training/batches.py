"""Tokenised examples to padded tensors, in batches of similar length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: `tokens` ids, of which the first `prompt` are not trained on."""

    tokens: tuple[int, ...]
    prompt: int

    @property
    def response(self) -> int:
        """Tokens that are trained on."""
        return len(self.tokens) - self.prompt


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples padded on the right.

    `ids` (B, T) are the tokens; `predicts` (B, T) is true where the next token is one that is trained on; `targets_N` are
    those next tokens, in the order in which `predicts` selects.
    """

    ids: torch.Tensor
    predicts: torch.Tensor
    targets_N: torch.Tensor


def collate(examples: Sequence[Example], device: torch.device) -> Batch:
    """Pads the examples to one tensor each."""
    width = max(len(e.tokens) for e in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    predicts = torch.zeros(len(examples), width, dtype=torch.bool)
    for row, example in enumerate(examples):
        ids[row, : len(example.tokens)] = torch.tensor(example.tokens)
        predicts[row, example.prompt - 1 : len(example.tokens) - 1] = True
    targets_N = ids[:, 1:][predicts[:, :-1]]
    return Batch(ids.to(device), predicts.to(device), targets_N.to(device))


def shuffled_batches(examples: Sequence[Example], size: int, rng: random.Random, window: int = 8) -> list[list[int]]:
    """Indices of the examples in batches of `size`: one epoch, in an order drawn from `rng`.

    Shuffled, then sorted by length within windows of `window` batches, then the batches are shuffled: little padding, and
    which batch comes when still says nothing of its length.
    """
    order = list(range(len(examples)))
    rng.shuffle(order)
    batches = []
    for start in range(0, len(order), size * window):
        part = sorted(order[start : start + size * window], key=lambda i: len(examples[i].tokens))
        batches += [part[i : i + size] for i in range(0, len(part), size)]
    rng.shuffle(batches)
    return batches
