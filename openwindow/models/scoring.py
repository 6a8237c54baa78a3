"""Log-probabilities of given text under a model: of training rows, of whole answers, and of continuations against each other.

Three engines, one for each kind of sharing:

1. `response_logits`, `completion_logits`: with a gradient, for training. What all rows begin with, or the prompt of a group, is run
   once, and the gradient flows through the expansion of its keys and values.
2. `log_probabilities`: of the answers of many conversations that share system prompts or questions, in the batches that need the
   fewest tokens; the vocabulary matrix is applied in parts.
3. `Probes`: of several continuations per prompt, on the runner and the cache that replies are sampled with, so that one pass over
   the prompts serves both (`Probes.watch`).

Each equals the plain forward pass over prompt and text up to rounding (tests/models/test_scoring.py). Logits are computed only
where a token that counts is predicted.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from openwindow.models.base import Conversation, Progress
from openwindow.models.examples import Example, collate, shared_tokens
from openwindow.models.hf import LocalModel
from openwindow.models.llama_cpu import Llama
from openwindow.models.memory import settle_memory
from openwindow.models.prefixes import shared_prefix
from openwindow.models.sampling import Prefilled, Step, prefill, ready

BATCH_TOKENS = 4096
"""maximum tokens of one forward pass of `log_probabilities`, padding included"""
_HEAD = 256
"""response tokens whose logits are in memory at a time"""
_WIDTHS = (32, 128)
"""tokens of a prompt's longest continuation above which it comes in other batches"""
BATCH = 128
"""continuations that are scored together"""
_HEAD_PROBES = 512
"""states that the vocabulary matrix is applied to at once: bounds memory at 512 x V floats"""


# With a gradient.


@dataclass(frozen=True, slots=True)
class Group:
    """Completions of one prompt, as token ids: `prompt` of at least one token, each of `completions` not empty."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]


def response_logits(
    network: Any, rows: Sequence[Example], device: torch.device, plain_head: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, V) where the rows' response tokens are predicted, and those tokens (N,), in the rows' order.

    The tokens that all prompts begin with are run once; the gradient flows through the expansion of their keys and values.
    `plain_head` as `LocalModel.has_plain_head`.
    """
    states_NH, targets_N, _ = _response_states(network, rows, device, plain_head)
    return _head(network, states_NH, plain_head), targets_N


def _response_states(
    network: Any, rows: Sequence[Example], device: torch.device, plain_head: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `_head` makes the logits of (N, H), the tokens (N,) that they predict, and the number (N,) of the row of each."""
    batch = collate(rows, device)
    cache = None
    if len(batch.prefix):
        cache = DynamicCache()
        network.get_decoder()(input_ids=batch.prefix[None], cache=cache, use_cache=True)
        cache.batch_repeat_interleave(len(rows))
    states_NH = _states(network, batch.ids, batch.predicts, plain_head, cache=cache, use_cache=cache is not None)
    return states_NH, batch.targets_N, batch.predicts.nonzero()[:, 0]


def completion_logits(
    network: Any, groups: Sequence[Group], device: torch.device, plain_head: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, V) where the completions' tokens are predicted, and those tokens (N,), group by group.

    Each prompt is run once, whatever the number of its completions.
    """
    prompts = [group.prompt[:-1] for group in groups]
    rows = [(number, (group.prompt[-1], *completion)) for number, group in enumerate(groups) for completion in group.completions]
    of_row = torch.tensor([number for number, _ in rows], device=device)
    width, length = max(map(len, prompts)), max(len(tokens) for _, tokens in rows) - 1
    prompt_ids = torch.zeros(len(groups), width, dtype=torch.long)
    prompt_mask = torch.zeros(len(groups), width, dtype=torch.long)
    for row, tokens in enumerate(prompts):
        prompt_ids[row, width - len(tokens) :] = torch.tensor(tokens, dtype=torch.long)
        prompt_mask[row, width - len(tokens) :] = 1
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    predicts = torch.zeros(len(rows), length, dtype=torch.bool)
    targets: list[int] = []
    for row, (_, tokens) in enumerate(rows):
        ids[row, : len(tokens) - 1] = torch.tensor(tokens[:-1])
        predicts[row, : len(tokens) - 1] = True
        targets += tokens[1:]
    prompt_mask = prompt_mask.to(device)
    cache = DynamicCache()
    if width:
        positions = (prompt_mask.cumsum(dim=1) - 1).clamp(min=0)
        network.get_decoder()(
            input_ids=prompt_ids.to(device),
            attention_mask=prompt_mask,
            position_ids=positions,
            cache=cache,
            use_cache=True,
        )
        cache.batch_select_indices(of_row)
    mask = torch.cat([prompt_mask[of_row], torch.ones(len(rows), length, dtype=torch.long, device=device)], dim=1)
    positions = prompt_mask.sum(dim=1)[of_row][:, None] + torch.arange(length, device=device)
    where = {"attention_mask": mask, "position_ids": positions, "cache": cache, "use_cache": True}
    states_NH = _states(network, ids.to(device), predicts.to(device), plain_head, **where)
    return _head(network, states_NH, plain_head), torch.tensor(targets, device=device)


def _states(network: Any, ids: torch.Tensor, predicts: torch.Tensor, plain_head: bool, **where: Any) -> torch.Tensor:
    """The decoder's last states (N, H) where `predicts` (B, T) is true; without a plain head the network's logits (N, V) there."""
    if plain_head:
        return torch.as_tensor(network.get_decoder()(input_ids=ids, **where).last_hidden_state[predicts])
    return torch.as_tensor(network(input_ids=ids, **where).logits[predicts])


def _head(network: Any, states_NH: torch.Tensor, plain_head: bool) -> torch.Tensor:
    """Logits (N, V) of some `_states`."""
    return torch.as_tensor(network.get_output_embeddings()(states_NH)) if plain_head else states_NH


# Of whole answers.


@torch.inference_mode()
def log_probabilities(
    model: LocalModel,
    conversations: Sequence[Conversation],
    groupings: Sequence[Sequence[object]],
    progress: Progress | None = None,
    *,
    most: int | None = None,
) -> list[float]:
    """Mean log-probability in nats of a token of each conversation's last turn, its end token included; the first `most` of them.

    Each of `groupings` names a group for every conversation; the one whose groups, run together, need the fewest tokens is
    used (rows that share a system prompt, or prompts that share a row).
    """
    encoded = [model.encode_example(c) for c in conversations]
    examples = [Example(tuple(tokens if most is None else tokens[: prompt + most]), prompt) for tokens, prompt in encoded]
    plain_head = model.has_plain_head()
    found = [math.nan] * len(examples)
    for batch in cheapest_batches(examples, groupings):
        for i, value in zip(batch, _batch_means(model, [examples[i] for i in batch], plain_head), strict=True):
            found[i] = value
        settle_memory()
        if progress is not None:
            progress(len(batch))
    return found


def _batch_means(model: LocalModel, examples: Sequence[Example], plain_head: bool) -> list[float]:
    states_NH, targets_N, rows_N = _response_states(model.network, examples, model.device, plain_head)
    parts = [
        torch.nn.functional.cross_entropy(_head(model.network, some_NH, plain_head).float(), some_N, reduction="none")
        for some_NH, some_N in zip(torch.split(states_NH, _HEAD), torch.split(targets_N, _HEAD), strict=True)
    ]  # in parts: all logits at once are hundreds of megabytes
    sums_B = torch.zeros(len(examples), device=model.device).index_add_(0, rows_N, torch.cat(parts))
    return [-total / e.response for total, e in zip(sums_B.tolist(), examples, strict=True)]


def cheapest_batches(examples: Sequence[Example], groupings: Sequence[Sequence[object]]) -> list[list[int]]:
    """Indices in batches of at most `BATCH_TOKENS` tokens, by the grouping that needs the fewest tokens in all."""
    plans = [_grouped(examples, groups) for groups in groupings]
    return min(plans, key=lambda plan: sum(_tokens([examples[i] for i in batch]) for batch in plan))


def _grouped(examples: Sequence[Example], groups: Sequence[object]) -> list[list[int]]:
    members: dict[object, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    batches = []
    for indices in members.values():
        batch: list[int] = []
        for i in sorted(indices, key=lambda i: len(examples[i].tokens)):
            if batch and (len(batch) + 1) * len(examples[i].tokens) > BATCH_TOKENS:
                batches.append(batch)
                batch = []
            batch.append(i)
        batches.append(batch)
    return batches


def _tokens(examples: Sequence[Example]) -> int:
    """Tokens that a batch computes: the shared prefix once, the padded rest for each row."""
    shared = shared_tokens(examples)
    return shared + len(examples) * (max(len(e.tokens) for e in examples) - shared)


# Of continuations.


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
class _Probe:
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
        for batch in _alike(rows, BATCH):
            index = torch.tensor([done.row_of[row.prompt] for row in batch])
            self._keep(batch, _continued(done.runner, batch, done.logits_UV[index], done.cache.chosen(index), done.mask_UT[index]))

    @torch.inference_mode()
    def results(self, *, batch_size: int = BATCH, progress: Progress | None = None) -> list[list[LogProb]]:
        """The log-probability of each continuation as the assistant's first words after its prompt, in the shape given.

        Scores what `watch` has not scored; `batch_size` counts continuations.
        """
        if progress is not None and self.found:
            progress(len(self.found))
        rows = [row for row in self.rows if row.index not in self.found]
        if rows:
            self._score_rest(rows, batch_size, progress)
        return [[self.found[i, j] for j in range(size)] for i, size in enumerate(self.sizes)]

    def _score_rest(self, rows: Sequence[_Probe], batch_size: int, progress: Progress | None) -> None:
        network, training = self.model.network, self.model.network.training
        network.eval()
        try:
            with ready(network, self.model.has_plain_head()) as runner:
                for batch in _alike(rows, batch_size):
                    self._keep(batch, _score(runner, batch))
                    if progress is not None:
                        progress(len(batch))
        finally:
            network.train(training)

    def _keep(self, rows: Sequence[_Probe], totals: Sequence[float]) -> None:
        settle_memory()
        self.found |= {row.index: LogProb(total, len(row.ids) - row.shared) for row, total in zip(rows, totals, strict=True)}


def _alike(rows: Sequence[_Probe], size: int) -> Iterator[list[_Probe]]:
    """Alike prompts together, short ones first; prompts with long continuations apart, since padding is computed too."""

    def width(row: _Probe) -> int:
        return bisect.bisect_left(_WIDTHS, row.longest)

    ordered = sorted(rows, key=lambda r: (width(r), len(r.prompt), r.prompt))
    for _, alike in itertools.groupby(ordered, width):
        chosen = list(alike)
        yield from (chosen[start : start + size] for start in range(0, len(chosen), size))


def _rows(model: LocalModel, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]) -> list[_Probe]:
    rows = []
    lead = "" if model.tokenizer.chat_template is not None else " "  # a plain prompt ends with "Assistant:"
    for i, (prompt, texts) in enumerate(zip(prompts, continuations, strict=True)):
        encoded = tuple(model.encode_prompt(prompt))
        tokens = [tuple(int(t) for t in model.tokenizer(lead + text, add_special_tokens=False)["input_ids"]) for text in texts]
        for j, ids in enumerate(tokens):
            if not ids:
                raise ValueError(f"continuation {j} of prompt {i} is empty; expected at least one token; give its words")
            rows.append(_Probe((i, j), encoded, ids, max(map(len, tokens)), shared_prefix(tokens) if len(tokens) > 1 else 0))
    return rows


def _score(runner: Llama | Step, rows: Sequence[_Probe]) -> list[float]:
    """Log-probability in nats of every row's continuation."""
    done = prefill(runner, [r.prompt for r in rows])
    index = torch.tensor([done.row_of[r.prompt] for r in rows], device=done.mask_UT.device)
    done.cache.batch_select_indices(index)
    return _continued(runner, rows, done.logits_UV[index], done.cache, done.mask_UT[index])


def _continued(
    runner: Llama | Step, rows: Sequence[_Probe], first_BV: torch.Tensor, cache: Any, mask_BT: torch.Tensor
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
    for some_NH, some_N in zip(*(torch.split(every, _HEAD_PROBES) for every in (states_NH, targets_BT[where_BT])), strict=True):
        parts.append(runner.logits(some_NH).log_softmax(dim=-1).gather(1, some_N[:, None])[:, 0])
    totals.index_add_(0, where_BT.nonzero()[:, 0], torch.cat(parts).double())
    return [float(t) for t in totals]
