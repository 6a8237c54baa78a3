"""Tokenised examples, and batches of them as padded tensors without their common prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from openwindow.models.prefixes import shared_prefix


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

    @property
    def predicted(self) -> list[int]:
        """Where the tokens are that are trained on."""
        gaps = {position for start, end in self.gaps for position in range(start, end)}
        return [position for position in range(self.prompt, len(self.tokens)) if position not in gaps]


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
    shared = shared_tokens(examples)
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


def shared_tokens(examples: Sequence[Example]) -> int:
    """How many first tokens all examples share, at most one less than the shortest prompt has; 0 for a single example."""
    return 0 if len(examples) == 1 else shared_prefix([e.tokens for e in examples], min(e.prompt for e in examples) - 1)
