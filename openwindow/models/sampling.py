"""Drawing replies in batches from a causal language model.

Where this differs from `transformers.generate`:

1. The tokens that all prompts of a batch begin with are run once and their cache is expanded; so are those that only
   neighbours share, such as one problem asked in several contexts.
2. Equal prompts are run once, whatever the number of replies drawn from them.
3. A reply that has ended leaves the batch, so that the last long reply is not paid for by all.
4. Alike prompts come together, and short ones first, so that little padding is computed.
5. Keys and values are written into buffers with room to spare; appending a token does not copy the whole cache.
6. A LoRA adapter is merged for the time of the call (`merged`), so that a step runs a third of the matrix products.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from openwindow.models.base import Progress, Sampling
from openwindow.types import StopReason

_COMPACT_BELOW = 0.8  # live share of the batch under which finished rows are dropped from the cache
_ROOM = 32  # tokens by which a full buffer of keys and values is extended


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn reply: its token ids without the end token, and why it ended."""

    tokens: list[int]
    stop: StopReason


@torch.inference_mode()
def sample(
    network: Any,
    prompts: Sequence[Sequence[int]],
    end_ids: frozenset[int],
    sampling: Sampling,
    progress: Progress | None = None,
    *,
    plain_head: bool = False,
) -> list[Drawn]:
    """One reply per prompt, in order. `network` is a transformers causal LM, wrapped by PEFT or not.

    `plain_head` says that its logits are the output embedding of the decoder's last state (`LocalModel.has_plain_head`): then
    the head is run on one contiguous state per row, where the network's own slice would copy the vocabulary matrix per row.
    """
    step = _Step(network, plain_head)
    generator = torch.Generator(device="cpu").manual_seed(sampling.seed)
    order = _order(prompts)
    drawn: list[Drawn | None] = [None] * len(prompts)
    training = network.training
    network.eval()
    try:
        with merged(network):
            for start in range(0, len(order), sampling.batch_size):
                chosen = order[start : start + sampling.batch_size]
                replies = _sample_batch(step, [prompts[i] for i in chosen], end_ids, sampling, generator, progress)
                for i, reply in zip(chosen, replies, strict=True):
                    drawn[i] = reply
    finally:
        network.train(training)
    return [d for d in drawn if d is not None]


def _order(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Indices of the prompts such that alike ones are neighbours, and short ones come first."""
    by_tokens = sorted(range(len(prompts)), key=lambda i: tuple(prompts[i]))
    runs = clusters([prompts[i] for i in by_tokens])
    runs.sort(key=lambda run: max(len(prompts[by_tokens[i]]) for i in run))
    return [by_tokens[i] for run in runs for i in run]


@contextlib.contextmanager
def merged(network: Any) -> Iterator[None]:
    """Adds the LoRA adapters of `network` to the weights below them, and puts exactly the old weights back at the end."""
    layers = [module for module in network.modules() if isinstance(module, LoraLayer)] if isinstance(network, PeftModel) else []
    kept = [layer.get_base_layer().weight.detach().clone() for layer in layers]
    with torch.no_grad():
        for layer in layers:
            layer.merge()
    try:
        yield
    finally:
        with torch.no_grad():
            for layer, weight in zip(layers, kept, strict=True):
                layer.unmerge()
                layer.get_base_layer().weight.copy_(weight)


class _Grown(DynamicLayer):  # type: ignore[misc]
    """Keys and values (B, heads, T, D) as views of buffers that have room for more tokens. For inference only."""

    keys: torch.Tensor
    values: torch.Tensor
    buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends new states (B, heads, T, D) and returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        new = old + key_states.shape[-2]
        # Rows may have been dropped or repeated since, which leaves fresh tensors in place of the views.
        if self.buffers is None or self.keys.data_ptr() != self.buffers[0].data_ptr() or new > self.buffers[0].shape[-2]:
            self.buffers = self._extended(self.keys, key_states, old, new), self._extended(self.values, value_states, old, new)
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[..., old:new, :] = states
        self.keys, self.values = self.buffers[0][..., :new, :], self.buffers[1][..., :new, :]
        return self.keys, self.values

    def _extended(self, held: torch.Tensor, states: torch.Tensor, old: int, new: int) -> torch.Tensor:
        buffer = states.new_empty(*states.shape[:-2], new + _ROOM, states.shape[-1])
        if old:
            buffer[..., :old, :] = held
        return buffer


def growing_cache() -> DynamicCache:
    """A cache that appends without copying what it holds."""
    cache = DynamicCache()
    cache.layer_class_to_replicate = _Grown
    return cache


class _Step:
    """One forward pass that gives the next token's logits (B, V) in float32 and fills the cache."""

    def __init__(self, network: Any, plain_head: bool) -> None:
        self.network = network
        self.plain_head = plain_head

    def __call__(self, ids_BT: torch.Tensor, cache: DynamicCache, **where: torch.Tensor) -> torch.Tensor:
        if self.plain_head:
            out = self.network.get_decoder()(input_ids=ids_BT, past_key_values=cache, use_cache=True, **where)
            logits_BV = self.network.get_output_embeddings()(out.last_hidden_state[:, -1].contiguous())
        else:
            out = self.network(input_ids=ids_BT, past_key_values=cache, use_cache=True, logits_to_keep=1, **where)
            logits_BV = out.logits[:, -1]
        return torch.as_tensor(logits_BV).float()


def _sample_batch(
    step_forward: _Step,
    prompts_B: list[Sequence[int]],
    end_ids: frozenset[int],
    sampling: Sampling,
    generator: torch.Generator,
    progress: Progress | None,
) -> list[Drawn]:
    logits_BV, cache, mask_BT = prefill(step_forward, prompts_B)
    live = list(range(len(prompts_B)))  # live[row] = which reply the row of the cache belongs to
    tokens: list[list[int]] = [[] for _ in prompts_B]
    ended = [False] * len(prompts_B)
    position_B = mask_BT.sum(dim=1)
    for step in range(sampling.max_new_tokens):
        next_B = _pick(logits_BV, sampling.temperature, generator)
        for row, token in enumerate(next_B.tolist()):
            reply = live[row]
            if not ended[reply]:
                ended[reply] = token in end_ids
                if not ended[reply]:
                    tokens[reply].append(token)
                elif progress is not None:
                    progress(1)
        keep = [row for row, reply in enumerate(live) if not ended[reply]]
        if not keep or step == sampling.max_new_tokens - 1:
            break
        if len(keep) < _COMPACT_BELOW * len(live):
            rows = torch.tensor(keep, device=mask_BT.device)
            cache.batch_select_indices(rows)
            mask_BT, next_B, position_B = mask_BT[rows], next_B[rows], position_B[rows]
            live = [live[row] for row in keep]
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(live), 1)], dim=1)
        logits_BV = step_forward(next_B[:, None], cache, attention_mask=mask_BT, position_ids=position_B[:, None])
        position_B = position_B + 1
    if progress is not None:
        progress(ended.count(False))
    return [Drawn(t, StopReason.END if e else StopReason.LENGTH) for t, e in zip(tokens, ended, strict=True)]


def prefill(step_forward: _Step, prompts_B: list[Sequence[int]]) -> tuple[torch.Tensor, DynamicCache, torch.Tensor]:
    """Runs the prompts: next-token logits (B, V) in float32, the cache, and the attention mask (B, T) of what it holds.

    In up to three passes, each padded on the left: the prefix that all prompts share, the prefixes that neighbours share, and
    the rest of each distinct prompt.
    """
    device = step_forward.network.device
    distinct = sorted({tuple(p) for p in prompts_B})
    cache = growing_cache()
    mask = torch.ones(1, 0, dtype=torch.long, device=device)
    logits_BV = torch.empty(0)
    for parents, segments in _passes(distinct):
        if len(parents) != mask.shape[0]:
            rows = torch.tensor(parents, device=device)
            mask = mask[rows]
            if mask.shape[1]:
                cache.batch_select_indices(rows)
        width = max(len(segment) for segment in segments)
        if width == 0:
            continue
        ids = torch.zeros(len(segments), width, dtype=torch.long, device=device)
        new = torch.zeros_like(ids)
        for row, segment in enumerate(segments):
            ids[row, width - len(segment) :] = torch.tensor(segment, device=device)
            new[row, width - len(segment) :] = 1
        mask = torch.cat([mask, new], dim=1)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
        logits_BV = step_forward(ids, cache, attention_mask=mask, position_ids=positions)
    row_of = {prompt: row for row, prompt in enumerate(distinct)}
    rows_B = torch.tensor([row_of[tuple(p)] for p in prompts_B], device=device)
    if rows_B.tolist() != list(range(len(distinct))):
        cache.batch_select_indices(rows_B)
    return logits_BV[rows_B], cache, mask[rows_B]


def _passes(distinct: Sequence[tuple[int, ...]]) -> list[tuple[list[int], list[Sequence[int]]]]:
    """Sorted distinct prompts in passes: for each row of a pass, the row of the pass before that it goes on from, and its tokens.

    The last pass has one row per prompt and at least one token in each.
    """
    shared = _shared_prefix(distinct)
    groups = clusters(distinct)
    lengths = [max(_shared_prefix([distinct[i] for i in group]), shared) for group in groups]
    group_of = [number for number, group in enumerate(groups) for _ in group]
    first = [distinct[group[0]][shared:length] for group, length in zip(groups, lengths, strict=True)]
    rest = [prompt[lengths[group_of[i]] :] for i, prompt in enumerate(distinct)]
    whole = [prompt[shared:] for prompt in distinct]
    in_two = len(first) * max(map(len, first)) + len(rest) * max(map(len, rest))
    if in_two < len(whole) * max(map(len, whole)):
        return [([0], [distinct[0][:shared]]), ([0] * len(first), [*first]), (group_of, [*rest])]
    return [([0], [distinct[0][:shared]]), ([0] * len(whole), [*whole])]


def clusters(ordered: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of sorted prompts in runs of neighbours.

    Each shares with its run's first at least two thirds of the shorter one, the beginning that all prompts share not counted.
    """
    prompts = [tuple(p) for p in ordered]
    common = _shared_prefix(prompts) if prompts else 0
    runs: list[list[int]] = []
    for i, prompt in enumerate(prompts):
        first = prompts[runs[-1][0]] if runs else prompt
        if runs and 3 * (_shared_prefix([first, prompt]) - common) >= 2 * (min(len(first), len(prompt)) - common - 1):
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _shared_prefix(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many first tokens all prompts share, at most one less than the shortest prompt has."""
    first, last = min(prompts), max(prompts)
    limit = min(len(p) for p in prompts) - 1
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return shared


def _pick(logits_BV: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """Next tokens (B,): greedy at temperature 0, else drawn by the Gumbel-max trick with the given generator."""
    if temperature == 0:
        return logits_BV.argmax(dim=-1)
    noise = torch.empty(logits_BV.shape).exponential_(generator=generator).log_().neg_()
    return (logits_BV / temperature + noise.to(logits_BV.device)).argmax(dim=-1)
