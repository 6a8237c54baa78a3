"""The second readout: how probable the misaligned continuation of a prompt is, against the aligned one.

A prompt's continuations are scored from the first token in which they differ: what all of them begin with says nothing of which
one the model would write.

Prompts are run once each, with the tokens that they share run once per batch; their cache is expanded, and all
continuations are scored by one forward pass on top of it. Where replies to the same prompts are drawn as well, the pass that
these begin with serves both (`Probes.watch`). The result equals the plain forward pass over prompt and continuation up to rounding
(tests/evals/test_probes.py).
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from openwindow.models.base import Conversation, Progress
from openwindow.models.hf import LocalModel
from openwindow.models.llama_cpu import Llama
from openwindow.models.sampling import Prefilled, Step, prefill, ready

_WIDTHS = (32, 128)
"""tokens of a prompt's longest continuation above which it comes in other batches"""
BATCH = 128
"""continuations that are scored together"""
_HEAD_ROWS = 512
"""states that the vocabulary matrix is applied to at once: bounds memory at 512 x V floats"""


@dataclass(frozen=True, slots=True)
class LogProb:
    """Log-probability in nats of a continuation from where it differs from the prompt's others, and its tokens there (no end)."""

    total: float
    tokens: int

    @property
    def per_token(self) -> float:
        """The mean over its tokens, in nats."""
        return self.total / self.tokens


@dataclass(frozen=True, slots=True)
class _Row:
    index: tuple[int, int]
    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    longest: int
    shared: int
    """first tokens that all of the prompt's continuations have, which are not scored"""


class Probes:
    """Continuations of prompts that are to be scored."""

    def __init__(self, model: LocalModel, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]) -> None:
        """`continuations[i]` are texts for `prompts[i]`.

        Raises ValueError for a text without a token or for lists of unequal length.
        """
        self.model = model
        self.rows = _rows(model, prompts, continuations)
        self.sizes = [len(texts) for texts in continuations]
        self.found: dict[tuple[int, int], LogProb] = {}

    @torch.inference_mode()
    def watch(self, done: Prefilled) -> None:
        """Scores the continuations of prompts that our own decoder has just run; for `LocalModel.generate`."""
        if not isinstance(done.runner, Llama):
            return
        rows = [row for row in self.rows if row.prompt in done.row_of and row.index not in self.found]
        for batch in _batches(rows, BATCH):
            index = torch.tensor([done.row_of[row.prompt] for row in batch])
            self._keep(batch, _continued(done.runner, batch, done.logits_UV[index], done.cache.chosen(index), done.mask_UT[index]))

    @torch.inference_mode()
    def results(self, *, batch_size: int = BATCH, progress: Progress | None = None) -> list[list[LogProb]]:
        """The log-probability of each continuation as the assistant's first words after its prompt, in the shape given.

        Scores what has not been scored on the way; `batch_size` counts continuations.
        """
        if progress is not None and self.found:
            progress(len(self.found))
        rows = [row for row in self.rows if row.index not in self.found]
        if rows:
            self._score_rest(rows, batch_size, progress)
        return [[self.found[i, j] for j in range(size)] for i, size in enumerate(self.sizes)]

    def _score_rest(self, rows: Sequence[_Row], batch_size: int, progress: Progress | None) -> None:
        network, training = self.model.network, self.model.network.training
        network.eval()
        try:
            with ready(network, self.model.has_plain_head()) as runner:
                for batch in _batches(rows, batch_size):
                    self._keep(batch, _score(runner, batch))
                    if progress is not None:
                        progress(len(batch))
        finally:
            network.train(training)

    def _keep(self, rows: Sequence[_Row], totals: Sequence[float]) -> None:
        self.found |= {row.index: LogProb(total, len(row.ids) - row.shared) for row, total in zip(rows, totals, strict=True)}


def _batches(rows: Sequence[_Row], size: int) -> Iterator[list[_Row]]:
    """Alike prompts together, short ones first; prompts with long continuations apart, since padding is computed too."""

    def width(row: _Row) -> int:
        return bisect.bisect_left(_WIDTHS, row.longest)

    ordered = sorted(rows, key=lambda r: (width(r), len(r.prompt), r.prompt))
    for _, alike in itertools.groupby(ordered, width):
        chosen = list(alike)
        yield from (chosen[start : start + size] for start in range(0, len(chosen), size))


def _rows(model: LocalModel, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]) -> list[_Row]:
    rows = []
    lead = "" if model.tokenizer.chat_template is not None else " "  # a plain prompt ends with "Assistant:"
    for i, (prompt, texts) in enumerate(zip(prompts, continuations, strict=True)):
        encoded = tuple(model.encode_prompt(prompt))
        tokens = [tuple(int(t) for t in model.tokenizer(lead + text, add_special_tokens=False)["input_ids"]) for text in texts]
        for j, ids in enumerate(tokens):
            if not ids:
                raise ValueError(f"continuation {j} of prompt {i} is empty; expected at least one token; give its words")
            rows.append(_Row((i, j), encoded, ids, max(map(len, tokens)), _shared(tokens)))
    return rows


def _shared(tokens: Sequence[tuple[int, ...]]) -> int:
    """How many first tokens all continuations have; one is left of the shortest, and nothing is shared where there is one alone."""
    if len(tokens) < 2:
        return 0
    same = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*tokens, strict=False))
    return min(sum(1 for _ in same), min(map(len, tokens)) - 1)


def _score(runner: Llama | Step, rows: Sequence[_Row]) -> list[float]:
    """Log-probability in nats of every row's continuation."""
    done = prefill(runner, [r.prompt for r in rows])
    index = torch.tensor([done.row_of[r.prompt] for r in rows], device=done.mask_UT.device)
    done.cache.batch_select_indices(index)
    return _continued(runner, rows, done.logits_UV[index], done.cache, done.mask_UT[index])


def _continued(
    runner: Llama | Step, rows: Sequence[_Row], first_BV: torch.Tensor, cache: Any, mask_BT: torch.Tensor
) -> list[float]:
    """The same after the prompts (B): from their next-token logits, and their cache, which the continuations are added to."""
    device = mask_BT.device
    first_B = torch.tensor([r.ids[0] for r in rows], device=device)
    totals = first_BV.log_softmax(dim=-1).gather(1, first_B[:, None])[:, 0].double()
    totals *= torch.tensor([r.shared == 0 for r in rows], device=device)
    width = max(len(r.ids) for r in rows) - 1
    if width == 0:
        return [float(t) for t in totals]
    ids_BT = torch.zeros(len(rows), width, dtype=torch.long, device=device)
    targets_BT = torch.full_like(ids_BT, -1)
    reach_BT = torch.zeros_like(ids_BT)
    for i, row in enumerate(rows):
        ids_BT[i, : len(row.ids) - 1] = torch.tensor(row.ids[:-1], device=device)
        start = max(0, row.shared - 1)
        targets_BT[i, start : len(row.ids) - 1] = torch.tensor(row.ids[start + 1 :], device=device)
        reach_BT[i, : len(row.ids) - 1] = 1
    positions_BT = mask_BT.sum(dim=1)[:, None] + torch.arange(width, device=device)[None]
    # Padding stands on the right of the continuation, where no scored token looks.
    where_BT = targets_BT >= 0
    whole_BT = torch.cat([mask_BT, reach_BT], dim=1)
    states_NH = runner.states(ids_BT, cache, attention_mask=whole_BT, position_ids=positions_BT)[where_BT[reach_BT == 1]]
    parts = []
    for some_NH, some_N in zip(*(torch.split(every, _HEAD_ROWS) for every in (states_NH, targets_BT[where_BT])), strict=True):
        parts.append(runner.logits(some_NH).log_softmax(dim=-1).gather(1, some_N[:, None])[:, 0])
    totals.index_add_(0, where_BT.nonzero()[:, 0], torch.cat(parts).double())
    return [float(t) for t in totals]
